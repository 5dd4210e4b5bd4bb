"""Rows and prepared views → methods, each with what it was made from.

Rows that cannot be built for want of a file are left out with the reason; anything else that is wrong is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from encoders.engines import Domain
from encoders.evaluation.bench import Bench, bench_of
from encoders.evaluation.hints import Repair, ShelfHint
from encoders.evaluation.methods import Facts, LateFusion, Method, Vectors
from encoders.evaluation.networks import EvaluatedNetwork, Reading, checksum, load_network
from encoders.evaluation.rows import MethodSpec, RowsError, ViewFacts, ViewText, read_lines
from encoders.evaluation.tasks import Task, directions
from encoders.evaluation.texts import reader
from encoders.manifest import ManifestError, View
from encoders.prepared import Prepared

LATE_WEIGHTS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.4, 2.0, 3.0)
LATE_FILLS = (0.0, 0.1, 0.2, 0.3, 0.45, 0.6)

Told = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Row:
    """A method with its name and where it comes from."""

    name: str
    method: Method
    made_of: Mapping[str, object]
    also: tuple[Method, ...] = ()
    """The same row trained from other seeds."""
    only: NDArray[np.int64] | None = None
    """The products that it is asked about; None: all."""
    hint: ShelfHint | None = None
    """What it is told of the shelf that it is asked on; then it is asked on shelves alone."""

    def answering(self, task: Task, bench: Bench) -> Method:
        """The method that answers this task."""
        return self.hint.on(task, bench) if self.hint else self.method


@dataclass(frozen=True, slots=True)
class Means:
    """What rows are computed with."""

    device: str = "cpu"
    """Where the networks compute."""
    repair: Repair | None = None
    """How a text is repaired from the titles on a shelf; None: rows that need it are left out."""


@dataclass(slots=True)
class Builder:
    """Builds the rows of one folder over one set of views."""

    folder: Path
    prepared: Prepared
    """What is embedded: both held-out splits, and every page."""
    background: Sequence[View]
    """All views of the manifest: keywords learn from their transcripts."""
    seed: int
    means: Means = Means()
    left_out: dict[str, str] = field(default_factory=dict)

    def build(self, specs: Mapping[str, MethodSpec], told: Told) -> list[Row]:
        """The rows in the order of ``specs``. Raises `RowsError`, `ManifestError`, `WrongNetwork`."""
        built: dict[str, Row] = {}
        for name in sorted(specs, key=lambda name: specs[name].picture_of is not None):  # late fusion: from the others
            told(name)
            missing = [each for each in specs[name].needs() if not (self.folder / each).exists()]
            missing += [each for each in (specs[name].picture_of, specs[name].text_of) if each and each not in built]
            missing += ["how names are repaired"] if specs[name].shelf_hint and not self.means.repair else []
            if missing:
                self.left_out[name] = f"{', '.join(missing)} is not there"
            else:
                built[name] = self._row(name, specs[name], built)
        return [built[name] for name in specs if name in built]

    def _row(self, name: str, spec: MethodSpec, built: Mapping[str, Row]) -> Row:
        if spec.facts is not None:
            return Row(name, self._facts(self.folder / spec.facts), self._file(spec.facts))
        if spec.network is None:
            return self._late(name, spec, built)
        texts, only = self._texts(spec)
        reading = Reading(texts, spec.picture, whole=spec.text == "spoken_uncut")
        network = self._network(spec.network)
        first = Vectors(network.vectors(self.prepared, reading))
        others = (Vectors(self._network(each).vectors(self.prepared, reading)) for each in spec.also)
        repair = self.means.repair if spec.shelf_hint else None
        hint = ShelfHint(network, self.prepared, reading, first, repair) if repair else None
        made_of = {
            "networks": {each: checksum(self.folder / each) for each in (spec.network, *spec.also)},
            "text": spec.text,
            "picture": spec.picture,
            **({"shelf_hint": True} if hint else {}),
            **(self._file(spec.texts) if spec.texts is not None else {}),
        }
        return Row(name, first, made_of, tuple(others), only, hint)

    def _file(self, name: str) -> dict[str, object]:
        return {"file": name, "sha256": sha256((self.folder / name).read_bytes()).hexdigest()}

    def _network(self, name: str) -> EvaluatedNetwork:
        return load_network(self.folder / name, self.means.device)

    def _texts(self, spec: MethodSpec) -> tuple[list[str], NDArray[np.int64] | None]:
        """A text for each view; and, where a file says so, the products all of whose videos and clips it has."""
        file = spec.texts or spec.asked
        read = reader(spec.text, self.background)
        if file is None:
            return [read(view) for view in self.prepared.views], None
        told = read_lines(self.folder / file, ViewText)
        given = told if spec.texts is not None else {}
        texts = [given[view.view_id].text if view.view_id in given else read(view) for view in self.prepared.views]
        bench = bench_of(self.prepared.views, "test")
        spoken = np.concatenate([bench.rows[Domain.VIDEO], bench.rows[Domain.LIVE]])
        without = [bench.products[row] for row in spoken if bench.views[row].view_id not in told]
        only = np.setdiff1d(bench.judged(), np.array(without, np.int64))
        if not len(only):
            raise RowsError(f"{self.folder / file} has the texts of no test product's every video and live view")
        return texts, only

    def _facts(self, path: Path) -> Facts:
        given = read_lines(path, ViewFacts)
        numbers = {view.view_id: number for number, view in enumerate(self.prepared.views)}
        told = {numbers[name]: line.facts() for name, line in given.items() if name in numbers}
        return Facts(told, self.seed)

    def _late(self, name: str, spec: MethodSpec, built: Mapping[str, Row]) -> Row:
        picture, words = (_one(built, each) for each in (spec.picture_of, spec.text_of))
        made_of = {"picture_of": spec.picture_of, "text_of": spec.text_of}
        if spec.weight is not None:
            return Row(name, LateFusion(picture, words, spec.weight), made_of | {"weight": spec.weight, "fill": 0.0})
        try:
            bench = bench_of(self.prepared.views, "valid")
        except ManifestError as error:
            raise ManifestError(f"{name} is tuned on the validation split, and {error}") from error
        method = tuned(picture, words, bench)
        return Row(name, method, made_of | {"weight": method.weight, "fill": method.fill, "tuned_on": "valid"})


def _one(built: Mapping[str, Row], name: str | None) -> Vectors:
    method = built[name].method if name is not None else None
    if not isinstance(method, Vectors):
        raise RowsError(f"late fusion is made of rows with vectors, and {name!r} has none")
    return method


def tuned(picture: Vectors, words: Vectors, bench: Bench) -> LateFusion:
    """The late fusion of the best mean R@1 over the directions of a bench; of equals the smallest weight, fill."""
    choices = [LateFusion(picture, words, weight, fill) for weight, fill in product(LATE_WEIGHTS, LATE_FILLS)]
    tasks = directions(bench)

    def worth(method: LateFusion) -> float:
        return float(np.mean([task.put_to(method, bench).means()["r1"] for task in tasks]))

    return max(choices, key=worth)
