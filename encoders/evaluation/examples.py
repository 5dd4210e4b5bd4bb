"""An evaluation → a few of its retrievals as a person would look at them: the query, and the five best answers.

Which are shown is drawn from the seed, as many right ones as wrong ones, so nobody chose them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from encoders.engines import Clip, Domain, EngineError
from encoders.evaluation.bench import Bench
from encoders.evaluation.build import Row
from encoders.evaluation.metrics import Judged
from encoders.evaluation.rows import OURS
from encoders.evaluation.tasks import Task, directions, name_of
from encoders.manifest import View
from encoders.media import PyAvDecoder, clip_of, contact_sheet

SHOWN = 4
"""Of each kind: right and wrong."""
ANSWERS = 5


@dataclass(frozen=True, slots=True)
class Shot:
    """A view as it is shown. ``jpeg`` is None where there is no picture, or none that can be read."""

    name: str
    text: str
    jpeg: bytes | None


@dataclass(frozen=True, slots=True)
class Answer:
    """One of the best answers."""

    shot: Shot
    score: float
    right: bool


@dataclass(frozen=True, slots=True)
class Example:
    """A query and its best answers, the best first."""

    query: Shot
    answers: tuple[Answer, ...]

    @property
    def right(self) -> bool:
        return self.answers[0].right


@dataclass(frozen=True, slots=True)
class Album:
    """Where the retrievals come from: a row's answers to a task."""

    row: Row
    task: Task
    bench: Bench

    def examples(self, seed: int) -> list[Example]:
        """Some queries that were answered rightly, and then some that were not."""
        judged = self.task.put_to(self.row.method, self.bench)
        return [self._example(number, judged) for number in chosen(judged, seed)]

    def _example(self, number: int, judged: Judged) -> Example:
        query = self.task.queries[number : number + 1]
        scores = self.row.method.scores(query, self.task.gallery)[0]
        best = judged.best[number, :ANSWERS]
        answers = tuple(self._answer(self.task.gallery[column], query[0], float(scores[column])) for column in best)
        return Example(self._shot(query[0]), answers)

    def _answer(self, row: np.int64, query: np.int64, score: float) -> Answer:
        return Answer(self._shot(row), score, bool(self.bench.products[row] == self.bench.products[query]))

    def _shot(self, row: np.int64) -> Shot:
        view = self.bench.views[row]
        return Shot(view.view_id, view.text or "", _jpeg(view))


def album_of(rows: Sequence[Row], bench: Bench) -> Album:
    """Live → page over the whole gallery, by AMPere; the first row, the first direction where there are not these."""
    row = next((row for row in rows if row.name == OURS), rows[0])
    asked = [task if row.only is None else task.about(row.only, bench) for task in directions(bench)]
    tasks = {task.name: task for task in asked if len(task.queries)}
    return Album(row, tasks.get(name_of(Domain.LIVE, Domain.PAGE), next(iter(tasks.values()))), bench)


def chosen(judged: Judged, seed: int) -> list[int]:
    """The numbers of at most `SHOWN` queries that were answered rightly, and as many that were not."""
    rng = np.random.default_rng(seed)
    hits = judged.values[:, 0] > 0
    return [int(n) for kind in (hits, ~hits) for n in np.sort(rng.permutation(np.flatnonzero(kind))[:SHOWN])]


def _jpeg(view: View) -> bytes | None:
    """The page's picture, or the frames of the video in a row."""
    decoder = PyAvDecoder()
    try:
        if view.frames:
            clip = Clip(clip_of([decoder.image(Path(name).read_bytes()) for name in view.frames]), ())
        elif view.media is None:
            return None
        else:
            data = Path(view.media).read_bytes()
            clip = Clip(decoder.image(data), (0,)) if view.domain is Domain.PAGE else decoder.clip(data)
    except (OSError, EngineError):
        return None
    return contact_sheet(clip)
