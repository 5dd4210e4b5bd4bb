"""A bench → all that is asked of it, what is not asked and why, and what a reader of the figures has to know."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from encoders.engines import Domain
from encoders.evaluation.bench import Bench
from encoders.evaluation.shelves import TooSmall
from encoders.evaluation.tasks import (
    DIRECTIONS,
    GALLERY_SIZES,
    SHELF_SIZES,
    Task,
    directions,
    name_of,
    shelf,
    union,
    wide_gallery,
)


@dataclass(slots=True)
class Tasks:
    """What is asked, by the place in the result that the answers take."""

    main: list[Task]
    union: Task
    wide: dict[str, list[Task]] = field(default_factory=dict)


def tasks_of(bench: Bench, seed: int) -> tuple[Tasks, dict[str, str]]:
    """The tasks that the bench has the views for, and why others are left out."""
    tasks = Tasks(directions(bench), union(bench))
    left_out = {
        name_of(*each): f"no product of the split has a {each[0].value} and a {each[1].value} view"
        for each in DIRECTIONS
        if not len(bench.asking(*each))
    }
    for size in SHELF_SIZES:
        try:
            tasks.main.append(shelf(bench, size, seed))
        except TooSmall as error:
            left_out[f"shelf of {size}"] = str(error)
    asking = [each for each in (Domain.VIDEO, Domain.LIVE) if len(bench.asking(each, Domain.PAGE))]
    for name, size in GALLERY_SIZES.items() if asking else ():
        try:
            tasks.wide[name] = [wide_gallery(bench, each, size, seed) for each in asking]
        except TooSmall as error:
            left_out[name] = str(error)
    return tasks, left_out


def notes_of(bench: Bench, tasks: Tasks) -> list[str]:
    """Remarks on tasks that are not quite what their names say: about fewer products, or with cut families."""
    judged = bench.judged()
    found = [] if any(bench.views[row].family for row in bench.union()) else ["no view says its family: none is known"]
    for task in tasks.main:
        asked = len(np.unique(bench.products[task.queries]))
        if task.shelves is None and asked < len(judged):
            found.append(f"{task.name}: about {asked} of {len(judged)} products, those that have both views")
    return found + list(_cut(bench, tasks))


def _cut(bench: Bench, tasks: Tasks) -> Iterator[str]:
    wide = {f"{name} {task.name}": task for name, each in tasks.wide.items() for task in each}
    for name, task in ({task.name: task for task in tasks.main} | wide).items():
        if task.shelves is None:
            continue
        asked = np.unique(bench.products[task.queries])
        cut = task.shelves.cut(asked)
        if len(cut):
            yield (
                f"{name}: the family of {len(cut)} of {len(asked)} products is larger than {task.shelves.size}; "
                f"{task.shelves.size - 1} siblings of each are drawn by the seed"
            )
