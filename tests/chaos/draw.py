"""seed → one fault, and everything about it that chance decides. Equal seeds draw equal faults, on any machine.

The faults come in turn, not by chance, so that any hundred seeds in a row meet each of them at least three times. The
faults at named places share one sequence of places: a hundred seeds visit each place once, three hundred visit each
with each signal.
"""

from random import Random

from tests.chaos.faults import FAULTS, Drawn
from tests.chaos.places import PLACES, UPSERT, Place

STRUCK = ("worker killed", "worker terminated", "worker frozen")
"""Faults at a place; they come in turn."""
STRUCK_IN_A_ROUND = 13
OTHERS = tuple(fault.name for fault in FAULTS if fault.name not in STRUCK)
"""Faults that strike at no place of a worker."""


def draw(seed: int) -> Drawn:
    """The run of a seed, counted from 1."""
    if seed < 1:
        raise ValueError(f"a seed is a whole number from 1 on, not {seed}")
    chance = Random(seed)
    round_of_all, turn = divmod(seed - 1, STRUCK_IN_A_ROUND + len(OTHERS))
    struck = turn < STRUCK_IN_A_ROUND
    number = round_of_all * STRUCK_IN_A_ROUND + turn
    fault = STRUCK[number % len(STRUCK)] if struck else OTHERS[turn - STRUCK_IN_A_ROUND]
    place = PLACES[number % len(PLACES)] if struck else chance.choice(PLACES)
    return Drawn(
        seed, fault, place, nth_at(place, chance), chance.randint(4, 20), chance.random(), chance.random() < 0.5
    )


def nth_at(place: Place, chance: Random) -> int:
    """In the midst of what is recorded: eight products, or some fifty messages of the broadcasts."""
    if place.stage == "catalog_encoder":
        return chance.randint(2, 12 if place.step == UPSERT else 6)
    return chance.randint(4, 24)
