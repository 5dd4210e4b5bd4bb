"""Seed → listings: what the shop sells, in families of four siblings that are easily mistaken for each other.

A family differs along an axis: one attribute that is seen (``colour``, ``pattern``, ``shape``, or ``model``, which is
shape and trim together), one that is only heard or read (``material``, with one feature that goes with it, ``size``,
``brand``), or one of each (``colour size``: two looks, each in two sizes). So neither picture nor speech alone can tell
every product.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

import numpy as np

from encoders.world import lexicon

T = TypeVar("T")
Split = Literal["train", "valid", "test", "demo"]
SIBLINGS = 4
AXES: tuple[str, ...] = ("colour", "pattern", "shape", "material", "size", "brand")
MARKET_AXES: tuple[str, ...] = (
    "colour", "pattern", "model", "material", "size", "brand", "colour size", "pattern brand", "model material",
)  # fmt: skip
"""Of the large shops that the network is trained and measured on: a third of the families are told apart by the picture
alone, a third by speech alone, a third by both together."""
FAMILIES_PER_SHOP = 120
SEEN, HEARD = frozenset(("colour", "pattern", "shape", "model")), frozenset(("material", "size", "brand"))


@dataclass(frozen=True, slots=True)
class Look:
    """What can be seen of a product: ``shape`` is three proportions in [0, 1); ``finish`` 0 matt, 1 metal, 2 gloss."""

    kind: str
    colour: str
    trim: str
    pattern: str
    pattern_colour: str
    shape: tuple[float, float, float]
    finish: int


@dataclass(frozen=True, slots=True)
class Listing:
    """One product as its seller lists it. The words are spoken forms; ``price`` is in whole units of money.

    Of a ``mute`` listing nobody says the colour or the pattern: only sight tells it from its siblings.
    """

    id: str
    family: str
    brand: str
    noun: str
    material: str
    size: str
    features: tuple[str, ...]
    title: str
    price: int
    look: Look
    mute: bool = False


def make_shop(seed: int, families: int, split: Split, axes: Sequence[str] = AXES) -> tuple[Listing, ...]:
    """``families`` × 4 listings, the families in order. Kinds and axes take turns, so a small shop has many of both."""
    rng = np.random.default_rng([seed, *split.encode()])
    kinds, turns = rng.permutation(lexicon.KINDS), rng.permutation(axes)
    shop: list[Listing] = []
    for number in range(families):
        kind, axis = str(kinds[number % len(kinds)]), str(turns[number % len(turns)])
        shop += _family(_founder(rng, kind, f"{split}-{number:04d}", split), axis, rng, split)
    return tuple(shop)


def make_market(seed: int, shops: int, split: Split) -> tuple[Listing, ...]:
    """The listings of many large shops, one after the other, siblings beside each other.

    A shop pairs each kind with few of the axes, so many shops are needed to see all pairs.
    """
    listings = (item for number in range(shops) for item in _market_shop(seed + number, split))
    return tuple(listings)


def _market_shop(seed: int, split: Split) -> list[Listing]:
    shop, listings = make_shop(seed, FAMILIES_PER_SHOP, split, MARKET_AXES), list[Listing]()
    for start in range(0, len(shop), SIBLINGS):
        siblings = shop[start : start + SIBLINGS]
        mute = axis_of(siblings) in SEEN
        for item in siblings:
            title = _title(item, False, False) if mute else item.title
            family = f"{item.family}-{seed}"
            listings.append(replace(item, id=f"{item.id}-{seed}", family=family, mute=mute, title=title))
    return listings


def axis_of(siblings: Sequence[Listing]) -> str:
    """What the siblings of one family differ in: an axis, the seen one first where there are two.

    Raises ValueError where they are all alike.
    """
    differing = {axis for axis in (*AXES, "trim") if len({_attribute(listing, axis) for listing in siblings}) > 1}
    if {"shape", "trim"} <= differing and "colour" not in differing:
        differing = differing - {"shape"} | {"model"}
    found = [axis for axis in ("colour", "pattern", "shape", "model", *AXES[3:]) if axis in differing]
    if not found:
        raise ValueError("these listings are all alike")
    return " ".join(found)


def words_of(listing: Listing) -> tuple[str, ...]:
    """All that speech can tell of a listing; siblings with equal words can only be told apart by sight."""
    told = (listing.brand, listing.noun, listing.material, listing.size, *listing.features)
    return told if listing.mute else (*told, listing.look.colour, listing.look.pattern)


def far_colours(*colours: str) -> list[str]:
    """The colours that none of ``colours`` is mistaken for on a compressed picture."""
    near = {*colours, *(other for colour in colours for other in lexicon.NEAR_COLOURS[colour])}
    near |= {other for other, row in lexicon.NEAR_COLOURS.items() if set(row) & set(colours)}
    return [colour for colour in lexicon.COLOURS if colour not in near]


def _attribute(listing: Listing, axis: str) -> object:
    return getattr(listing.look if axis in ("colour", "pattern", "shape", "trim") else listing, axis)


def _founder(rng: np.random.Generator, kind: str, family: str, split: Split) -> Listing:
    colour = pick(rng, tuple(lexicon.COLOURS))
    shape = (float(rng.random()), float(rng.random()), float(rng.random()))
    return Listing(
        id=family,
        family=family,
        brand=lexicon.brand(rng, split),
        noun=pick(rng, lexicon.NOUNS[kind]),
        material=pick(rng, tuple(lexicon.MATERIALS)),
        size=pick(rng, lexicon.SIZES[kind]),
        features=tuple(str(name) for name in rng.choice(list(lexicon.FEATURES), 3, replace=False)),
        title="",
        price=pick(rng, lexicon.PRICES),
        look=Look(
            kind=kind,
            colour=colour,
            trim=pick(rng, [other for other in lexicon.COLOURS if other != colour]),
            pattern=pick(rng, tuple(lexicon.PATTERNS)),
            pattern_colour=pick(rng, far_colours(colour)),
            shape=shape,
            finish=int(rng.integers(3)),
        ),
    )


def _family(founder: Listing, axis: str, rng: np.random.Generator, split: Split) -> list[Listing]:
    if " " in axis:
        seen, heard = (_varied(founder, part, rng, split)[:2] for part in axis.split())
        siblings = [replace(spoken, look=shown.look) for shown in seen for spoken in heard]
    else:
        siblings = _varied(founder, axis, rng, split)
    shows_colour = axis == "colour" or rng.random() < 0.5
    shows_pattern = axis == "pattern" or rng.random() < 0.4
    return [
        replace(sibling, id=f"{founder.family}-{number}", title=_title(sibling, shows_colour, shows_pattern))
        for number, sibling in enumerate(siblings)
    ]


def _varied(founder: Listing, axis: str, rng: np.random.Generator, split: Split) -> list[Listing]:
    """Four siblings that differ along one attribute."""
    return _brands(founder, rng, split) if axis == "brand" else _VARY[axis](founder, rng)


def _title(listing: Listing, shows_colour: bool, shows_pattern: bool) -> str:
    colour = (listing.look.colour,) if shows_colour else ()
    pattern = lexicon.PATTERNS[listing.look.pattern][:1] if shows_pattern else ()
    return " ".join((listing.brand, *colour, *pattern, after_the_look(listing)))


def after_the_look(listing: Listing) -> str:
    """What follows the brand and the words of the look in a title."""
    return ", ".join((f"{listing.material} {listing.noun} {listing.size}", *listing.features))


def _colours(founder: Listing, rng: np.random.Generator) -> list[Listing]:
    while True:
        colours = [founder.look.colour]
        while len(colours) < SIBLINGS and (free := far_colours(*colours)):
            colours.append(pick(rng, free))
        rest = far_colours(*colours) if founder.look.pattern != "plain" else far_colours(founder.look.colour)
        if len(colours) == SIBLINGS and rest:
            break
    trim = pick(rng, [colour for colour in lexicon.COLOURS if colour not in colours])
    second = pick(rng, rest)
    looks = [replace(founder.look, colour=colour, trim=trim, pattern_colour=second) for colour in colours]
    return [replace(founder, look=look) for look in looks]


def _patterns(founder: Listing, rng: np.random.Generator) -> list[Listing]:
    others = [pattern for pattern in lexicon.PATTERNS if pattern != founder.look.pattern]
    patterns = [founder.look.pattern, *(str(name) for name in rng.choice(others, SIBLINGS - 1, replace=False))]
    return [replace(founder, look=replace(founder.look, pattern=pattern)) for pattern in patterns]


def _shapes(founder: Listing, _rng: np.random.Generator) -> list[Listing]:
    turned = ((), (0, 1), (1, 2), (0, 2))  # any two siblings differ by half the range in two of the three proportions
    return [replace(founder, look=replace(founder.look, shape=_turn(founder.look.shape, axes))) for axes in turned]


def _models(founder: Listing, rng: np.random.Generator) -> list[Listing]:
    trims = [pick(rng, far_colours(founder.look.colour))]
    while len(trims) < SIBLINGS:
        trims.append(pick(rng, far_colours(*trims) or [name for name in lexicon.COLOURS if name not in trims]))
    shaped = _shapes(founder, rng)
    return [replace(item, look=replace(item.look, trim=trim)) for item, trim in zip(shaped, trims, strict=True)]


def _turn(shape: tuple[float, float, float], axes: tuple[int, ...]) -> tuple[float, float, float]:
    first, second, third = ((value + 0.5 * (axis in axes)) % 1 for axis, value in enumerate(shape))
    return first, second, third


def _materials(founder: Listing, rng: np.random.Generator) -> list[Listing]:
    materials = _others(rng, tuple(lexicon.MATERIALS), (founder.material,))
    last = _others(rng, tuple(lexicon.FEATURES), (founder.features[2], *founder.features[:2]))
    return [
        replace(founder, material=material, features=(*founder.features[:2], feature))
        for material, feature in zip(materials, last, strict=True)
    ]


def _sizes(founder: Listing, rng: np.random.Generator) -> list[Listing]:
    sizes = _others(rng, lexicon.SIZES[founder.look.kind], (founder.size,))
    return [replace(founder, size=size) for size in sizes]


def _brands(founder: Listing, rng: np.random.Generator, split: Split) -> list[Listing]:
    brands = [founder.brand]
    while len(brands) < SIBLINGS:
        name = lexicon.brand(rng, split)
        brands += [name] if name not in brands else []
    return [replace(founder, brand=name) for name in brands]


def _others(rng: np.random.Generator, names: Sequence[str], taken: tuple[str, ...]) -> list[str]:
    """``taken[0]`` and three more of ``names``, none of them taken."""
    free = [name for name in names if name not in taken]
    return [taken[0], *(str(name) for name in rng.choice(free, SIBLINGS - 1, replace=False))]


_VARY: dict[str, Callable[[Listing, np.random.Generator], list[Listing]]] = {
    "colour": _colours,
    "pattern": _patterns,
    "shape": _shapes,
    "model": _models,
    "material": _materials,
    "size": _sizes,
}


def pick(rng: np.random.Generator, options: Sequence[T]) -> T:
    """One of ``options``, each as likely as the other."""
    return options[int(rng.integers(len(options)))]
