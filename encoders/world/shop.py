"""Seed → listings: what the shop sells, in families of four siblings that differ by exactly one attribute.

Three of the six attributes are seen (``colour``, ``pattern``, ``shape``) and three are only heard or read
(``material``, with one feature that goes with it, ``size``, ``brand``), so neither picture nor speech alone can tell
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
    """One product as its seller lists it. The words are spoken forms; ``price`` is in whole units of money."""

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


def make_shop(seed: int, families: int, split: Split) -> tuple[Listing, ...]:
    """``families`` × 4 listings, the families in order. Kinds and axes take turns, so a small shop has many of both."""
    rng = np.random.default_rng([seed, *split.encode()])
    kinds, axes = rng.permutation(lexicon.KINDS), rng.permutation(AXES)
    shop: list[Listing] = []
    for number in range(families):
        kind, axis = str(kinds[number % len(kinds)]), str(axes[number % len(axes)])
        shop += _family(_founder(rng, kind, f"{split}-{number:04d}", split), axis, rng, split)
    return tuple(shop)


def axis_of(siblings: Sequence[Listing]) -> str:
    """The attribute in which the siblings of one family differ."""
    for axis in AXES:
        if len({_attribute(listing, axis) for listing in siblings}) > 1:
            return axis
    raise ValueError("these listings are all alike")


def far_colours(*colours: str) -> list[str]:
    """The colours that none of ``colours`` is mistaken for on a compressed picture."""
    near = {*colours, *(other for colour in colours for other in lexicon.NEAR_COLOURS[colour])}
    near |= {other for other, row in lexicon.NEAR_COLOURS.items() if set(row) & set(colours)}
    return [colour for colour in lexicon.COLOURS if colour not in near]


def _attribute(listing: Listing, axis: str) -> object:
    return getattr(listing.look if axis in ("colour", "pattern", "shape") else listing, axis)


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
    siblings = _brands(founder, rng, split) if axis == "brand" else _VARY[axis](founder, rng)
    shows_colour = axis == "colour" or rng.random() < 0.5
    shows_pattern = axis == "pattern" or rng.random() < 0.4
    return [
        replace(sibling, id=f"{founder.family}-{number}", title=_title(sibling, shows_colour, shows_pattern))
        for number, sibling in enumerate(siblings)
    ]


def _title(listing: Listing, shows_colour: bool, shows_pattern: bool) -> str:
    colour = (listing.look.colour,) if shows_colour else ()
    pattern = lexicon.PATTERNS[listing.look.pattern][:1] if shows_pattern else ()
    name = " ".join((listing.brand, *colour, *pattern, listing.material, listing.noun))
    return ", ".join((f"{name} {listing.size}", *listing.features))


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
    "material": _materials,
    "size": _sizes,
}


def pick(rng: np.random.Generator, options: Sequence[T]) -> T:
    """One of ``options``, each as likely as the other."""
    return options[int(rng.integers(len(options)))]
