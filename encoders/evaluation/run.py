"""A prepared manifest and a folder of networks → the evaluation: every row put to every task, as plain JSON.

``rows[method][direction]`` holds the directed retrievals, six where the manifest has the views, and the shelves;
``paired[other][direction]`` the interval of AMPere's R@1 minus the other's on the same queries;
``by_difference[method][task]`` the figures by what the query's family differs in; ``by_speech[method][direction]`` by
whether the two views have a text, with AMPere's lead on each part. Equal inputs give equal bytes on the same machine.
"""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encoders.evaluation.asked import Tasks, notes_of, tasks_of
from encoders.evaluation.bench import Bench, bench_of
from encoders.evaluation.build import Builder, Means, Row, Told
from encoders.evaluation.claim import claim
from encoders.evaluation.intervals import Bootstrap
from encoders.evaluation.metrics import Judged
from encoders.evaluation.rows import OURS, RowsError, read_rows
from encoders.evaluation.sources import gathered, held_out
from encoders.evaluation.tasks import Task, own_domain_share
from encoders.prepared import MANIFEST, Prepared

DECIMALS = 6
PARTS = ("rows", "paired", "by_difference", "by_speech", "union", "seeds")
VERSIONS = ("vitrine", "numpy", "torch", "torchmetrics", "tokenizers", "transformers")

Json = dict[str, Any]
Figures = dict[str, Any]
"""``r1``, ``r3``, ``r5``, ``r10``, ``map``, ``r1_ci`` and how many ``queries``."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The result, and what its examples are made from."""

    result: Json
    bench: Bench
    rows: Sequence[Row]


@dataclass(slots=True)
class Evaluator:
    """Puts rows to tasks."""

    bench: Bench
    rows: Sequence[Row]
    tasks: Tasks
    bootstrap: Bootstrap
    _judged: dict[tuple[str, str], Judged] = field(default_factory=dict)

    def result(self, told: Told) -> Json:
        """Everything that is measured, by method."""
        found: dict[str, Json] = {name: {} for name in (*PARTS, *self.tasks.wide)}
        for row in sorted(self.rows, key=lambda row: row.name != OURS):  # the others are paired with ours
            told(row.name)
            for part, measured in self._measured(row):
                found[part][row.name] = measured
        order = [row.name for row in self.rows]
        return {part: {name: by[name] for name in order if name in by} for part, by in found.items()}

    def _measured(self, row: Row) -> Iterator[tuple[str, Json]]:
        """The parts of the result that a row has, with what stands there."""
        main = self._asked(row, self.tasks.main)
        for task in main:
            self._judged[row.name, task.name] = task.put_to(row.answering(task, self.bench), self.bench)
        yield "rows", {task.name: self._figures(self._of(row, task)) for task in main}
        if row.also:
            yield "seeds", {task.name: self._seeds(row, task) for task in main}
        if row.name != OURS and any(each.name == OURS for each in self.rows):
            yield "paired", {task.name: found for task in main if (found := self._paired(row, task))}
        yield "by_speech", {task.name: self._by_speech(row, task) for task in main}
        split = {task.name: self._split(task, self._of(row, task)) for task in main}
        for task in self._asked(row, [self.tasks.union]):
            judged = task.put_to(row.method, self.bench)
            yield "union", self._figures(judged) | {"own_domain_share": self._own_share(task, judged)}
            split[task.name] = self._split(task, judged)
        for name, tasks in self.tasks.wide.items():
            answered = [(task, task.put_to(row.method, self.bench)) for task in self._asked(row, tasks)]
            yield name, {task.name: self._figures(judged) for task, judged in answered}
            split |= {f"{name}_{task.name}": self._split(task, judged) for task, judged in answered}
        yield "by_difference", split

    def _of(self, row: Row, task: Task) -> Judged:
        return self._judged[row.name, task.name]

    def _asked(self, row: Row, tasks: Sequence[Task]) -> list[Task]:
        """The tasks about the row's products, without those that ask about none of them, or not as the row needs."""
        tasks = [task for task in tasks if task.in_room] if row.hint else tasks
        about = tasks if row.only is None else [task.about(row.only, self.bench) for task in tasks]
        return [task for task in about if len(task.queries)]

    def _figures(self, judged: Judged) -> Figures:
        means = {name: round(value, DECIMALS) for name, value in judged.means().items()}
        return {**means, "r1_ci": _rounded(self.bootstrap.interval(judged)), "queries": len(judged.products)}

    def _paired(self, row: Row, task: Task, among: NDArray[np.int64] | None = None) -> list[float] | None:
        """On the products that both were asked about, of those ``among`` if any are named; None where none is left."""
        ours, theirs = self._judged.get((OURS, task.name)), self._of(row, task)
        both = np.intersect1d(ours.products, theirs.products) if ours else np.empty(0)
        both = both if among is None else np.intersect1d(both, among)
        if ours is None or not len(both):
            return None
        ours, theirs = (each.only(np.isin(each.products, both)) for each in (ours, theirs))
        return _rounded(self.bootstrap.difference(ours, theirs))

    def _split(self, task: Task, judged: Judged) -> Json:
        """The figures by what the query's family differs in."""
        differs = self.bench.differences(task.queries)
        names = [name for name in ("picture", "speech", "both") if (differs == name).any()]
        return {name: self._figures(judged.only(differs == name)) for name in names}

    def _by_speech(self, row: Row, task: Task) -> Json:
        """The figures of products both of whose views have a text, and of the others."""
        judged = self._of(row, task)
        silent = np.isin(judged.products, task.silent(self.bench))
        found: Json = {}
        for name, kept in {"told": ~silent, "silent": silent}.items():
            if kept.any():
                found[name] = self._figures(judged.only(kept))
                ahead = self._paired(row, task, judged.products[kept]) if row.name != OURS else None
                found[name] |= {"ours_minus": ahead} if ahead else {}
        return found

    def _own_share(self, task: Task, judged: Judged) -> Json:
        share = own_domain_share(self.bench, task, judged)
        return {name: round(value, DECIMALS) for name, value in share.items()}

    def _seeds(self, row: Row, task: Task) -> list[float]:
        """R@1 of the row itself and of those that other seeds gave."""
        others = (task.put_to(method, self.bench) for method in row.also)
        return [round(judged.means()["r1"], DECIMALS) for judged in (self._of(row, task), *others)]


def evaluate(
    sources: Sequence[Path], networks: Path, bootstrap: Bootstrap, told: Told, means: Means | None = None
) -> Evaluation:
    """Evaluate a folder of networks on prepared folders; ``told`` hears what is worked on.

    What the networks find is ranked on the processor.
    Raises `PreparedError`, `ManifestError` for a manifest without what a row needs, `RowsError`, `WrongNetwork`,
    `NoDevice`, FileNotFoundError.
    """
    means = means or Means()
    specs = read_rows(networks)
    prepared = gathered(sources)
    views = held_out(prepared)
    bench = bench_of(views.views, "test")
    builder = Builder(networks, views, prepared.views, bootstrap.seed, means)
    rows = builder.build(specs, lambda name: told(f"read: {name}"))
    if not rows:
        raise RowsError(f"no row of {networks} can be evaluated: {'; '.join(builder.left_out.values())}")
    tasks, too_small = tasks_of(bench, bootstrap.seed)
    measured = Evaluator(bench, rows, tasks, bootstrap).result(lambda name: told(f"ask: {name}"))
    about = {
        "claim": claim(measured),
        "measured_on": {
            "manifest_sha256": [sha256((source / MANIFEST).read_bytes()).hexdigest() for source in sources],
            **_measured_on(views, bench, bootstrap),
            "device": means.device,
        },
        "made_of": {row.name: dict(row.made_of) for row in rows},
        "left_out": builder.left_out | too_small,
        "notes": notes_of(bench, tasks),
    }
    return Evaluation(measured | about, bench, rows)


def steps_in(folder: Path) -> int:
    """How often `evaluate` tells of something at most."""
    return 2 * len(read_rows(folder))


def write_result(result: Mapping[str, object], path: Path) -> None:
    """Write the result as JSON, readable."""
    path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _measured_on(views: Prepared, bench: Bench, bootstrap: Bootstrap) -> Json:
    shown, unasked = bench.union(), bench.unasked()
    judged = shown[np.isin(bench.products[shown], bench.judged())]
    judged = judged[np.unique(bench.products[judged], return_index=True)[1]]  # a view of each product
    differs = bench.differences(judged)
    return {
        "tower": views.tower,
        "tokens_sha256": sha256(np.ascontiguousarray(views.tokens).tobytes()).hexdigest(),
        "products": len(judged),
        "families": len(np.unique(bench.families[judged])),
        "views": {domain.value: len(rows) for domain, rows in bench.rows.items()},
        "differs_in": {str(name) or "not told": int((differs == name).sum()) for name in np.unique(differs)},
        "distractors": len(unasked),
        "distractors_of": dict(sorted(Counter(bench.views[row].split for row in unasked).items())),
        "seed": bootstrap.seed,
        "draws": bootstrap.draws,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in VERSIONS}},
    }


def _rounded(bounds: tuple[float, float]) -> list[float]:
    return [round(bound, DECIMALS) + 0.0 for bound in bounds]  # never -0.0
