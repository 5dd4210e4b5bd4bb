"""Validation views → the numbers by which a match is said or withheld: the matcher's rule tried in many small rooms.

A wrong answer costs a little more than none, and naming a product where none is shown costs too: so the numbers are not
those that name the most.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from encoders.network_store import Thresholds
from encoders.world.shop import SIBLINGS

ROOMS = 1500
CATALOGUE_FAMILIES, SHELF_FAMILIES = 13, 6
OFF_SHELF_SHARE, EMPTY_SHARE = 0.12, 0.10
WRONG_COST = 0.4
SCORES = np.arange(0.4, 0.8, 0.02)
LEADS = (0.0, 0.005, 0.01, 0.02, 0.04)
ADVANTAGES = (0.02, 0.05, 0.08, 0.12, 0.16, 0.2, 0.25)

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Trials:
    """Many rooms at once, a row each: what the matcher would compare, and what would be right."""

    shelf: Floats  # (rooms,) the best score on the shelf
    shelf_lead: Floats  # its lead over the next on the shelf
    shelf_right: NDArray[np.bool_]
    off: Floats  # the best score off the shelf
    off_lead: Floats
    off_right: NDArray[np.bool_]
    silent: NDArray[np.bool_]
    shows: NDArray[np.bool_]  # whether any product is shown


@dataclass(frozen=True, slots=True)
class Gallery:
    """Vectors of held-out products: what is searched, and what asks."""

    pages: NDArray[np.float32]  # (products, 128)
    lives: NDArray[np.float32]  # (products, 128)
    silent: NDArray[np.bool_]  # (products,) whether nothing was heard
    empty: NDArray[
        np.float32
    ]  # (products, 128) rooms where nothing is shown and the last summary is still of the product


def make_trials(gallery: Gallery, rng: np.random.Generator) -> Trials:
    """Draw rooms: a catalogue of thirteen families, a shelf of about sixteen of their products."""
    rows = [_room(gallery, rng) for _ in range(ROOMS)]
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    return Trials(*columns)


def _room(gallery: Gallery, rng: np.random.Generator) -> tuple[float | bool, ...]:
    families = rng.permutation(len(gallery.pages) // SIBLINGS)[:CATALOGUE_FAMILIES]
    products = (families[:, None] * SIBLINGS + np.arange(SIBLINGS)).ravel()
    on_shelf = np.zeros(len(products), bool)
    on_shelf[: SHELF_FAMILIES * SIBLINGS] = rng.random(SHELF_FAMILIES * SIBLINGS) < 2 / 3
    draw = rng.random()
    shown = int(rng.integers(SIBLINGS)) if draw > OFF_SHELF_SHARE else int(rng.integers(SIBLINGS)) + 8 * SIBLINGS
    on_shelf[shown] = draw > OFF_SHELF_SHARE
    is_empty = rng.random() < EMPTY_SHARE
    asked = (gallery.empty if is_empty else gallery.lives)[products[shown]]
    scores = (gallery.pages[products] @ asked).astype(float)
    shelf, off = _best(scores, on_shelf, shown), _best(scores, ~on_shelf, shown)
    return (*shelf, *off, bool(gallery.silent[products[shown]]), not is_empty)


def _best(scores: Floats, among: NDArray[np.bool_], shown: int) -> tuple[float, float, bool]:
    """The best score among some products, its lead, and whether it is the shown one's."""
    order = np.argsort(-np.where(among, scores, -np.inf))
    return float(scores[order[0]]), float(scores[order[0]] - scores[order[1]]), bool(order[0] == shown)


def value(trials: Trials, at: Thresholds) -> tuple[float, float, float]:
    """What thresholds are worth, the share of shown products named rightly, and of empty rooms left unnamed."""
    least = np.where(trials.silent, at.silent_min_score, at.min_score)
    off = (trials.off >= least) & (trials.off >= trials.shelf + at.off_shelf_advantage)
    on = ~off & (trials.shelf >= least)
    said = (off & (trials.off_lead >= at.margin)) | (on & (trials.shelf_lead >= at.margin))
    right = said & trials.shows & np.where(off, trials.off_right, trials.shelf_right)
    worth = right.mean() - WRONG_COST * (said & ~right).mean()
    return float(worth), float(right[trials.shows].mean()), float((~said)[~trials.shows].mean())


def choose(trials: Trials) -> Thresholds:
    """The thresholds that are worth most."""
    grid = itertools.product(SCORES, SCORES, LEADS, ADVANTAGES)
    options = (Thresholds(*(round(float(number), 3) for number in numbers)) for numbers in grid)
    return max(options, key=lambda at: value(trials, at)[0])
