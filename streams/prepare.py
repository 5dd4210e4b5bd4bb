"""A manifest → a prepared folder: which views, by how many processes, and what is written when all of them are there.

Nothing is lost by a kill: every answer is kept as it comes, and the folder is written at the end. Views that cannot be
read are listed in ``problems.jsonl`` with their reasons, and so are those that are used without their sound.
"""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import random
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from encoders.engines import FRAMES_PER_CLIP
from encoders.loaded import LoadedEngines, use_one_thread
from encoders.manifest import View, moved
from encoders.prepared import Prepared, write_prepared
from encoders.profiles import load_engines
from encoders.settings import Profile
from infra.errors import InfraError
from infra.kept import Kept
from schemas.reasons import Reason
from streams.preparing import LeftOut, Preparer, Ready, SeenTokens

PROBLEMS = "problems.jsonl"
Outcomes = Generator[Ready | LeftOut, None, None]
AHEAD = 4
"""So many views a process are handed out before their turn, so that none waits for another's slow one."""


class NothingPrepared(InfraError):
    """Not one view of the manifest can be used."""


class PreparationDied(InfraError):
    """A process that prepared views was killed from outside, or by a native crash."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which views of a manifest are prepared."""

    share: float = 1.0
    """Of the families (of the products, where they have none), drawn by `seed`; never a part of one."""
    seed: int = 0
    part: int = 0
    parts: int = 1
    """Every `parts`-th view, from the `part`-th on: the others are another machine's."""

    def of(self, views: Sequence[View]) -> tuple[View, ...]:
        """The chosen views, in their order."""
        return tuple(self._drawn(views)[self.part :: self.parts])

    def _drawn(self, views: Sequence[View]) -> Sequence[View]:
        if self.share >= 1.0:
            return views
        groups = sorted({_group(view) for view in views})
        drawn = set(random.Random(self.seed).sample(groups, math.ceil(self.share * len(groups))))
        return [view for view in views if _group(view) in drawn]


def preparer_of(profile: Profile, device: str, media: Path, cache: Path) -> Preparer:
    """A preparer with the models of a profile. Raises `MissingModel`, `BrokenModel`."""
    from encoders.identity import identities_of  # here: it takes seconds, and a worker process need not wait for it

    load, language = partial(_loaded, profile, device), profile.speech.settings.language
    return Preparer(load, identities_of(profile, device), Kept(cache), media, language)


def each(views: Iterable[View], preparer: Preparer, jobs: int) -> Outcomes:
    """Prepare views, by `jobs` processes, in their order; with one job in this process.

    Raises what `Preparer.prepare` raises, and `PreparationDied`. Closing the iterator ends the processes, each after
    the view it is at.
    """
    if jobs == 1:
        yield from map(preparer.prepare, views)
        return
    spawn = multiprocessing.get_context("spawn")  # torch and CTranslate2 do not survive a fork
    pool = ProcessPoolExecutor(jobs, spawn, _begin, (preparer,))
    waiting: deque[Future[Ready | LeftOut]] = deque()
    try:
        for view in views:
            waiting.append(pool.submit(_prepare, view))
            if len(waiting) >= jobs * AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as broken:
        raise PreparationDied("a process that prepared views died", remedy="run the same command again") from broken
    finally:
        pool.shutdown(cancel_futures=True)


_mine: list[Preparer] = []
"""The preparer of a worker process."""


def _begin(preparer: Preparer) -> None:
    """Set a worker process up: Ctrl-C is its parent's to act on, and it does not outlive its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _mine.append(preparer)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _prepare(view: View) -> Ready | LeftOut:
    return _mine[0].prepare(view)


def gather(outcomes: Sequence[Ready | LeftOut], preparer: Preparer, out: Path) -> Prepared:
    """Write the folder of prepared views, and what became of the others. Raises `NothingPrepared`."""
    out.mkdir(parents=True, exist_ok=True)
    problems = [line for outcome in outcomes if (line := _problem(outcome))]
    (out / PROBLEMS).write_text("".join(f"{line}\n" for line in problems), encoding="utf-8")
    ready = [outcome for outcome in outcomes if isinstance(outcome, Ready)]
    if not ready:
        raise NothingPrepared("not one view can be used", remedy=f"read {out / PROBLEMS}", log=out / PROBLEMS)
    prepared = _with_tokens(ready, preparer, out)
    write_prepared(prepared, out)
    return prepared


def _group(view: View) -> str:
    return f"family {view.family}" if view.family is not None else f"product {view.product_id}"


def _loaded(profile: Profile, device: str) -> LoadedEngines:
    use_one_thread()
    return load_engines(profile, device)


def _with_tokens(ready: Sequence[Ready], preparer: Preparer, out: Path) -> Prepared:
    found = [preparer.tokens(outcome.tokens) if outcome.tokens else None for outcome in ready]
    first = next((seen for seen in found if seen), SeenTokens("", np.zeros((1 + FRAMES_PER_CLIP, 0), np.float32)))
    tokens = np.zeros((len(ready), *first.rows.shape), np.float16)
    for row, seen in enumerate(found):
        if seen:
            tokens[row] = seen.rows
    before, after = preparer.folder.resolve(), out.resolve()
    views = tuple(moved(outcome.view, before, after) for outcome in ready)
    return Prepared(views, tokens, first.tower)


def _problem(outcome: Ready | LeftOut) -> str:
    """One line of the list, empty where all is well."""
    name = outcome.view.view_id
    if isinstance(outcome, LeftOut):
        told: dict[str, object] = {"reason": outcome.reason, "detail": outcome.detail, "left_out": True}
    elif outcome.remark:
        told = {"reason": Reason.NO_AUDIO, "detail": outcome.remark, "left_out": False}
    else:
        return ""
    return json.dumps({"view_id": name, **told}, ensure_ascii=False)
