"""The words of the synthetic shop: every table that titles and hosts draw from.

Everything is lower case and spelled out as it is spoken ("five hundred millilitre"), so that a word error rate compares
like with like. Each entry of a synonym table begins with the canonical phrase, which is the one that a title shows.
"""

import zlib
from collections.abc import Sequence

import numpy as np

KINDS: tuple[str, ...] = (
    "bottle", "mug", "kettle", "lamp", "shaver", "shoe", "bag", "watch", "headphone", "pan", "vase", "speaker",
    "dryer", "camera", "jar", "tumbler", "toaster", "fan", "perfume", "suitcase", "blender", "teapot", "hat", "stool",
)  # fmt: skip

NOUNS: dict[str, tuple[str, ...]] = {
    "bottle": ("water bottle", "flask"),
    "mug": ("mug", "coffee cup"),
    "kettle": ("kettle", "water boiler"),
    "lamp": ("table lamp", "desk light"),
    "shaver": ("shaver", "electric razor"),
    "shoe": ("sneaker", "running shoe"),
    "bag": ("handbag", "tote bag"),
    "watch": ("wrist watch", "dial watch"),
    "headphone": ("headphones", "headset"),
    "pan": ("frying pan", "skillet"),
    "vase": ("vase", "flower pot"),
    "speaker": ("speaker", "sound box"),
    "dryer": ("hair dryer", "blow dryer"),
    "camera": ("camera", "photo camera"),
    "jar": ("storage jar", "canister"),
    "tumbler": ("tumbler", "straw cup"),
    "toaster": ("toaster", "bread toaster"),
    "fan": ("table fan", "cooling fan"),
    "perfume": ("perfume", "fragrance"),
    "suitcase": ("suitcase", "trolley case"),
    "blender": ("blender", "juicer"),
    "teapot": ("teapot", "tea jug"),
    "hat": ("sun hat", "summer hat"),
    "stool": ("stool", "round seat"),
}

COLOURS: dict[str, tuple[str, ...]] = {
    "red": ("red", "crimson"),
    "navy": ("navy", "dark blue"),
    "sky blue": ("sky blue", "light blue"),
    "green": ("green",),
    "mint": ("mint", "pale green"),
    "yellow": ("yellow", "lemon"),
    "orange": ("orange",),
    "pink": ("pink", "rose"),
    "purple": ("purple", "violet"),
    "brown": ("brown",),
    "beige": ("beige", "sand"),
    "white": ("white", "ivory"),
    "gray": ("gray", "silver"),
    "black": ("black",),
}

NEAR_COLOURS: dict[str, tuple[str, ...]] = {
    "red": ("orange", "brown", "pink"),
    "navy": ("black", "purple"),
    "white": ("beige", "gray"),
    "black": ("navy", "gray", "brown"),
    "brown": ("red", "black"),
    "gray": ("white", "black"),
    "beige": ("white", "mint"),
    "sky blue": ("mint",),
    "mint": ("sky blue", "beige"),
    "purple": ("navy", "pink"),
    "pink": ("purple", "red", "beige"),
    "orange": ("red", "yellow"),
    "yellow": ("orange", "beige"),
    "green": ("mint", "navy"),
}
"""Colours that a compressed picture under a coloured lamp confuses: siblings never differ by one of these pairs."""

PATTERNS: dict[str, tuple[str, ...]] = {
    "plain": (),
    "hstripe": ("striped", "ringed"),
    "vstripe": ("pinstripe",),
    "dots": ("dotted", "polka dot"),
    "band": ("banded",),
    "check": ("checked", "plaid"),
    "dip": ("two tone", "dipped"),
}

MATERIALS: dict[str, tuple[str, ...]] = {
    "steel": ("steel", "stainless steel"),
    "aluminium": ("aluminium", "alloy"),
    "glass": ("glass", "clear glass"),
    "ceramic": ("ceramic", "porcelain"),
    "oak": ("oak", "oak wood"),
    "bamboo": ("bamboo", "bamboo wood"),
    "plastic": ("plastic", "hard plastic"),
    "silicone": ("silicone", "soft silicone"),
    "leather": ("leather", "cowhide"),
    "canvas": ("canvas", "cotton canvas"),
    "nylon": ("nylon",),
    "copper": ("copper", "brass"),
    "titanium": ("titanium",),
    "cork": ("cork", "natural cork"),
    "carbon": ("carbon", "carbon fibre"),
    "wool": ("wool", "felt"),
}

FEATURES: dict[str, tuple[str, ...]] = {
    "leak proof": ("leak proof", "never leaks"),
    "quick charge": ("quick charge", "charges fast"),
    "wet and dry": ("wet and dry", "wet and dry use"),
    "light weight": ("light weight", "very light"),
    "non slip": ("non slip", "anti slip"),
    "easy clean": ("easy clean", "wipes clean"),
    "long battery": ("long battery", "strong endurance"),
    "low noise": ("low noise", "very quiet"),
    "water proof": ("water proof", "rain proof"),
    "foldable": ("foldable", "folds flat"),
    "dishwasher safe": ("dishwasher safe",),
    "heat proof": ("heat proof", "stays cool outside"),
    "double wall": ("double wall", "two layers"),
    "touch control": ("touch control", "touch button"),
    "auto off": ("auto off", "switches itself off"),
    "child lock": ("child lock", "safe for kids"),
    "type c port": ("type c port",),
    "remote control": ("remote control",),
    "gift box": ("gift box", "nice box"),
    "two year warranty": ("two year warranty",),
    "hand made": ("hand made", "made by hand"),
    "scratch proof": ("scratch proof", "no scratches"),
    "odour free": ("odour free", "no smell"),
    "big handle": ("big handle", "wide grip"),
    "pocket size": ("pocket size",),
    "extra wide": ("extra wide", "wide body"),
    "breathable": ("breathable", "lets air through"),
    "shock proof": ("shock proof", "survives drops"),
    "eco friendly": ("eco friendly", "recycled"),
    "fast heating": ("fast heating", "heats up quick"),
    "built in timer": ("built in timer",),
    "bright display": ("bright display",),
    "three speeds": ("three speeds",),
    "soft touch": ("soft touch", "soft feel"),
    "rust free": ("rust free", "anti rust"),
    "retro look": ("retro look", "vintage style"),
}

_UNIT_OF_KIND: dict[str, str] = {
    "bottle": "millilitre", "mug": "millilitre", "kettle": "litre", "lamp": "watt", "shaver": "watt", "shoe": "size",
    "bag": "inch", "watch": "millimetre", "headphone": "hours", "pan": "centimetre", "vase": "centimetre",
    "speaker": "watt", "dryer": "watt", "camera": "megapixel", "jar": "millilitre", "tumbler": "millilitre",
    "toaster": "watt", "fan": "watt", "perfume": "millilitre", "suitcase": "inch", "blender": "watt",
    "teapot": "litre", "hat": "size", "stool": "centimetre",
}  # fmt: skip

_VALUES: dict[str, tuple[float, ...]] = {
    "millilitre": (200, 250, 300, 350, 400, 500, 600, 750, 900),
    "litre": (1, 1.2, 1.5, 1.8, 2, 2.5, 3),
    "watt": (10, 20, 40, 60, 100, 200, 400, 800, 1200, 1500, 1800),
    "size": (36, 37, 38, 39, 40, 41, 42, 43, 44, 45),
    "inch": (10, 12, 14, 16, 18, 20, 24, 28),
    "millimetre": (30, 32, 36, 38, 40, 42, 46),
    "hours": (8, 10, 12, 20, 30, 40, 50, 60),
    "centimetre": (15, 18, 20, 24, 28, 32, 36, 45, 60),
    "megapixel": (8, 12, 16, 20, 24, 32, 48),
}

_ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


def spoken_number(value: float) -> str:
    """A number below ten thousand as a host says it: 1.5 → "one point five", 750 → "seven hundred fifty"."""
    whole = int(value)
    if value != whole:
        return f"{spoken_number(whole)} point {_ONES[round((value - whole) * 10)]}"
    if whole < 20:
        return _ONES[whole]
    if whole < 100:
        return _joined(_TENS[whole // 10], whole % 10)
    if whole < 1000:
        return _joined(f"{_ONES[whole // 100]} hundred", whole % 100)
    return _joined(f"{_ONES[whole // 1000]} thousand", whole % 1000)


def _joined(head: str, rest: int) -> str:
    return f"{head} {spoken_number(rest)}" if rest else head


def _spoken_size(unit: str, value: float) -> str:
    return f"size {spoken_number(value)}" if unit == "size" else f"{spoken_number(value)} {unit}"


SIZES: dict[str, tuple[str, ...]] = {
    kind: tuple(_spoken_size(unit, value) for value in _VALUES[unit]) for kind, unit in _UNIT_OF_KIND.items()
}
"""The sizes a kind is sold in, smallest first, as spoken."""

PRICES: tuple[int, ...] = (9, 12, 15, 19, 24, 29, 35, 39, 45, 49, 59, 69, 79, 89, 99, 120, 150, 199)

CHATTER: tuple[str, ...] = (
    "hello everyone welcome to our room",
    "if you like it tap the follow button",
    "thank you for the gift my friend",
    "three two one here we go",
    "who just joined please say hi",
    "let me show you this one again",
    "look at the screen for the link",
    "we ship tomorrow from the warehouse",
    "my sister bought it and loved it",
    "do you want it yes or no",
    "type one in the chat if you want it",
    "i use it at home every day",
    "the quality is really good believe me",
    "this song is so nice la la la",
    "let me drink some water first",
    "free returns within seven days",
    "can you hear me is the sound ok",
    "oh my god so beautiful",
    "come closer camera please",
    "this is for the old fans",
    "we have a lottery at nine",
    "no need to think just buy",
    "what do you say my dear friends",
    "i am your biggest fan too",
    "please watch this very closely",
    "turn on the light for me please",
    "hats off to my whole team",
    "we had so much fun last night",
    "come back soon my friend",
    "put it in the bag and go",
    "wait a second i read the chat",
    "good evening to all of you",
    "how are you doing today",
    "where are you watching from",
    "share the room with your friends",
    "i will answer all the questions",
    "believe me you will thank me later",
    "is it not lovely tell me",
    "my hands are a bit cold today",
    "the music is too loud one moment",
    "dance with me la la la",
    "we are live every evening",
)

PRICE_TALK: tuple[str, ...] = (
    "the price today is really low",
    "only {price} today",
    "just {price} for you my friends",
    "only fifty left in stock hurry up",
    "last week it was sold out in a minute",
    "the coupon is on top of the page",
    "not {high} not even {middle} only {price}",
    "take two and the shipping is free",
    "in the shop you pay {high}",
    "five four three two one go go go",
    "hurry up the stock is going fast",
)

INTRODUCTIONS: tuple[str, ...] = (
    "now we have the {name}",
    "so here is the {name}",
    "let us look at the {name}",
    "the next one is the {name}",
    "and now this {name}",
    "we move on to the {name}",
    "i bring you the {name} it is from {brand}",
    "look at this {noun} it is from {brand}",
)
"""How a host begins with a product: each names brand and noun."""

NAMINGS: tuple[str, ...] = (
    "this {name} is lovely",
    "yes the {name}",
    "it is the {name} everyone",
    "we call it the {name}",
    "i tell you this {name} is great",
    "what about this {noun} from {brand}",
    "the {brand} one is my favourite {noun}",
    "get your {name} here",
    "this {noun} is from {brand}",
)
"""How a host comes back to the product's name."""

DETAILS: tuple[str, ...] = (
    "it is {feature}",
    "and it has {feature}",
    "{feature} you heard it",
    "really {feature}",
    "with {feature} and {feature2}",
    "this {noun} comes with {feature}",
    "{feature} and also {feature2}",
    "it is made of {material}",
    "real {material} feel it",
    "the size is {size}",
    "it comes in {size}",
    "{size} is enough for you",
    "the colour is {colour}",
    "so pretty in {colour}",
    "you see the {pattern} look",
)

LINKS: tuple[str, ...] = (
    "it is link number {number}",
    "tap link number {number}",
    "link number {number} on your screen",
    "you find it at link number {number}",
)

LINK_DETAILS: tuple[str, ...] = (
    "link number {number} is {feature}",
    "link number {number} has {feature}",
)

MENTIONS: tuple[str, ...] = (
    "not like the {other}",
    "before we had the {other}",
    "later comes the {other}",
    "the {other} is sold out",
    "the {other} comes after this one",
    "yesterday you all asked for the {other}",
    "it is better than the {other}",
    "my mother still has the {other}",
)
"""Words about a product that is not on show."""

PASTIMES: tuple[str, ...] = (
    "i need a short break now",
    "let me rest for a minute",
    "now we draw the lottery",
    "the winner gets a free coupon",
    "let me sing a song for you",
    "tell me about your weekend",
    "it rained here the whole day",
    "my dog is sleeping under the table",
)
"""What a host says while nothing is on show."""

_SENTENCES = CHATTER + PRICE_TALK + INTRODUCTIONS + NAMINGS + DETAILS + LINKS + LINK_DETAILS + MENTIONS + PASTIMES
_PHRASES = tuple(
    phrase
    for table in (NOUNS, COLOURS, PATTERNS, MATERIALS, FEATURES, SIZES)
    for row in table.values()
    for phrase in row
)

WORDS: frozenset[str] = frozenset(
    word
    for text in _SENTENCES + _PHRASES + tuple(spoken_number(price) for price in (*PRICES, *range(100)))
    for word in text.split()
    if "{" not in word
)
"""Every word of the shop but its brands."""

_ONSETS = ("b", "d", "f", "g", "h", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z", "sh", "ch")
_VOWELS = ("a", "e", "i", "o", "u", "ei", "ai", "oi", "ou")
_CODAS = ("", "", "", "n", "r", "k", "l", "s")


def is_brand_of(word: str, split: str) -> bool:
    """Whether ``word`` may name a brand in ``split``: by a hash of the word, so that splits can never share one."""
    bucket = zlib.crc32(word.encode()) % 10
    return split == ("test" if bucket == 8 else "demo" if bucket == 9 else "valid" if bucket == 7 else "train")


def pseudo_word(rng: np.random.Generator) -> str:
    """A pronounceable word of two or three syllables that is no word of the shop."""
    while True:
        syllables = 2 if rng.random() < 0.7 else 3
        word = "".join(_pick(rng, _ONSETS) + _pick(rng, _VOWELS) for _ in range(syllables)) + _pick(rng, _CODAS)
        if word not in WORDS:
            return word


def brand(rng: np.random.Generator, split: str) -> str:
    """A pseudo-word that belongs to ``split`` (``train``, ``valid``, ``test`` or ``demo``)."""
    while True:
        word = pseudo_word(rng)
        if is_brand_of(word, split):
            return word


def _pick(rng: np.random.Generator, options: Sequence[str]) -> str:
    return options[int(rng.integers(len(options)))]
