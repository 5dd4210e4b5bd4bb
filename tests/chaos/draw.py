"""seed → one fault, and everything about it that chance decides. Equal seeds draw equal faults, on any machine.

The faults come in turn, not by chance, so that any hundred seeds in a row meet each of them at least three times. The
faults at named places share one sequence of places: a hundred seeds visit each place once, three hundred visit each
with each signal.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from tests.chaos.places import PLACES, UPSERT, Place

STRUCK = ("worker killed", "worker terminated", "worker frozen")
"""Faults at a place; they come in turn."""
STRUCK_IN_A_ROUND = 13


@dataclass(frozen=True, slots=True)
class Drawn:
    """What one run does."""

    seed: int
    fault: str
    place: Place
    """Where the worker is struck, or where it stands when something else is."""
    nth: int
    """The how-manieth time that it is there."""
    after: int
    """Answers that are there before a fault that has no place."""
    lasts: float
    """Between 0 and 1: how long an outage lasts, between its shortest and its longest."""
    coin: bool
    """For a fault that can go two ways."""
    full_length: bool = False
    """An outage as long as real ones: minutes."""
    real: bool = False
    """On the shipped models, in a smaller world."""

    def on_real_models(self) -> "Drawn":
        """The same fault, early enough for the few segments of that world."""
        return replace(self, real=True, nth=2 + self.nth % 5, after=2 + self.after % 5)


def draw(seed: int, others: Sequence[str]) -> Drawn:
    """The run of a seed, counted from 1. `others`: the faults that strike at no place of a worker, in their order."""
    if seed < 1:
        raise ValueError(f"a seed is a whole number from 1 on, not {seed}")
    chance = Random(seed)
    round_of_all, turn = divmod(seed - 1, STRUCK_IN_A_ROUND + len(others))
    struck = turn < STRUCK_IN_A_ROUND
    number = round_of_all * STRUCK_IN_A_ROUND + turn
    fault = STRUCK[number % len(STRUCK)] if struck else others[turn - STRUCK_IN_A_ROUND]
    place = PLACES[number % len(PLACES)] if struck else chance.choice(PLACES)
    return Drawn(
        seed, fault, place, nth_at(place, chance), chance.randint(4, 20), chance.random(), chance.random() < 0.5
    )


def nth_at(place: Place, chance: Random) -> int:
    """In the midst of what is recorded: eight products, or some fifty messages of the broadcasts."""
    if place.stage == "catalog_encoder":
        return chance.randint(2, 12 if place.step == UPSERT else 6)
    return chance.randint(4, 24)
