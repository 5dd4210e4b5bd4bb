"""Recipes → their networks, trained, exported and ready to be compared: every step of it, each when it can begin.

``python -m encoders.training.network_rows --out FOLDER --valid VALID --seed 2 visual text ampere``. Stopped, the same
command goes on. The vision tower is the shipped one; VALID is ``W/valid-prepared`` of ``vitrine evaluate world --out
W``, on which the weights are balanced. A step writes what it says to ``FOLDER/logs``. At the end ``vitrine evaluate
encoder --manifest W/test-prepared --manifest VALID --networks FOLDER/networks-2`` puts them to the test.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

from encoders.evaluation.rows import NAMES, ROWS
from encoders.profiles import load_profile, path_of
from encoders.training.network import SHOP_SEED
from encoders.training.network_recipes import RECIPES

HERE = "encoders.training"
LOOK_PARTS = 4
HEAD_SHOPS = 50
"""The heads are learnt on the looks of so many shops; the tower was on those of a hundred."""


class StepFailed(Exception):
    """A step ended with an error; those behind it were not begun."""


@dataclass(frozen=True, slots=True)
class Step:
    """A Python module with its arguments."""

    name: str
    words: tuple[str, ...]
    after: tuple[str, ...] = ()
    """What has to be done before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which networks, and where everything is kept."""

    recipes: Sequence[str]
    seed: int
    out: Path
    valid: Path

    @property
    def networks(self) -> Path:
        """Where they are exported to, each under its recipe's name."""
        return self.out / f"networks-{self.seed}"


def steps_of(wanted: Wanted) -> Iterator[Step]:
    """All steps, those that every network shares first."""
    looks, places = wanted.out / "looks", ("--looks", str(wanted.out / "looks"), "--out", str(wanted.out))
    shipped, shops = str(path_of(load_profile("demo"), "network")), ("--shops", str(HEAD_SHOPS))
    parts = [f"looks-{part}" for part in range(LOOK_PARTS)]
    for part, name in enumerate(parts):
        of = ("--split", "train", "--seed", str(SHOP_SEED), *shops, "--part", f"{part}/{LOOK_PARTS}")
        yield Step(name, (f"{HERE}.network_looks", *of, "--out", str(looks)))
    yield Step("brands", (f"{HERE}.network_brands", "--out", str(wanted.out / "brands.json")))
    network = f"{HERE}.network"
    yield Step("texts", (network, "texts", *places), ("brands",))
    yield Step("heads", (network, "heads", *places, *shops, "--start", shipped), (*parts,))
    yield Step("features", (network, "features", *places), ("texts", "heads"))
    for recipe in wanted.recipes:
        name, which = f"{recipe}-{wanted.seed}", ("--recipe", recipe, "--seed", str(wanted.seed))
        yield Step(f"{name}-text", (network, "text", *places, *which), ("features",))
        yield Step(f"{name}-fusion", (network, "fusion", *places, *which), (f"{name}-text",))
        to = ("--runs", str(wanted.out), "--out", str(wanted.networks / recipe), "--valid", str(wanted.valid))
        yield Step(f"{name}-export", (f"{HERE}.network_export", *which, *to), (f"{name}-fusion",))


def play(steps: Sequence[Step], jobs: int, run: Callable[[Step], None]) -> None:
    """Run all steps, so many at a time, each when those before it are done. Raises what `run` raises."""
    named = {step.name: step for step in steps}
    order = TopologicalSorter({step.name: step.after for step in steps})
    order.prepare()
    ready, running = deque[str](), dict[Future[None], str]()
    with ThreadPoolExecutor(jobs) as pool:
        while order.is_active():
            ready += order.get_ready()
            while ready and len(running) < jobs:  # nothing waits in the pool: after a failure it would still begin
                name = ready.popleft()
                running[pool.submit(run, named[name])] = name
            for ended in wait(running, return_when=FIRST_COMPLETED).done:
                ended.result()
                order.done(running.pop(ended))


def done_once(step: Step, out: Path) -> None:
    """Run a step in a process of its own, unless the same was done before. Raises `StepFailed`."""
    mark, log = out / "done" / step.name, out / "logs" / f"{step.name}.txt"
    if mark.exists() and mark.read_text() == " ".join(step.words):
        return
    for file in (mark, log):
        file.parent.mkdir(parents=True, exist_ok=True)
    began_s = time.monotonic()
    with log.open("ab") as said:
        ended = subprocess.run([sys.executable, "-m", *step.words], stdout=said, stderr=said, check=False)
    if ended.returncode:
        told = f"{step.name} failed: {log} says why; the same command goes on"
        print(told, file=sys.stderr, flush=True)  # now, and not when the steps beside it have ended
        raise StepFailed(told)
    mark.write_text(" ".join(step.words))
    print(f"{step.name}: {time.monotonic() - began_s:.0f} s", flush=True)


def rows_of(recipes: Sequence[str]) -> str:
    """The ``rows.toml`` of these networks; with pictures alone and texts alone also their late fusion."""
    rows = {
        name: {"network": name, "text": RECIPES[name].reads, "picture": RECIPES[name].senses.sees} for name in recipes
    }
    if {"visual", "text"} <= rows.keys():
        rows["late_fusion"] = {"picture_of": "visual", "text_of": "text", "weight": 0.3}
        rows["late_fusion_tuned"] = {"picture_of": "visual", "text_of": "text"}
    tables = (
        "\n".join([f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in rows[name].items()), ""])
        for name in NAMES
        if name in rows
    )
    return "\n".join(tables)


def main() -> None:
    """Train and export the recipes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipes", nargs="+", choices=tuple(RECIPES), metavar="RECIPE", help=", ".join(RECIPES))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--valid", type=Path, required=True, help="prepared validation views")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="steps at a time, each of one thread")
    options = vars(parser.parse_args())
    jobs = options.pop("jobs")
    wanted = Wanted(**options)
    for folder in (wanted.out / "looks", wanted.networks):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        play(list(steps_of(wanted)), jobs, lambda step: done_once(step, wanted.out))
    except StepFailed:
        raise SystemExit(1) from None
    (wanted.networks / ROWS).write_text(rows_of(wanted.recipes))
    print(f"the networks and their {ROWS}: {wanted.networks}")


if __name__ == "__main__":
    main()
