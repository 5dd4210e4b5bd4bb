"""The committed comparison, made again: the world's files, their tokens, every row's answers.

The texts of the held-out videos and live clips are what the real chain once made of their sound, and are committed, so
that the comparison needs no hours of listening. Whether they are true is shown on a seeded share, which is heard anew.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from encoders.engines import Domain
from encoders.manifest import Split, View, read_manifest, write_manifest
from encoders.prepared import read_prepared
from infra.errors import InfraError
from streams.written import write_whole

COMMITTED = Path(__file__).parents[1] / "encoders" / "models" / "evaluation"
TEXTS, RESULT = "texts.jsonl", "evaluation.json"
SPLITS: tuple[Split, ...] = ("valid", "test", "distractor")
"""The distractors are pages of training products, and only fill the gallery of 10,000."""
TOLERANCE = 0.01
"""Another machine's float32 may turn a few close answers of a thousand."""
SAME_SHARE = 0.9
"""Of the texts heard anew, to the letter: another machine's rounding may turn a word of some."""


class WorldNotMade(InfraError):
    """The files of the synthetic world could not be made, or not be prepared."""


class NotAsCommitted(InfraError):
    """The comparison was made again, and came out otherwise."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """What the chain made of one view's sound."""

    spoken: str
    text: str


@dataclass(frozen=True, slots=True)
class Repeated:
    """How many views of the share gave the committed transcript and text again."""

    views: int
    transcripts: int
    texts: int

    def complaint(self) -> str | None:
        """What is wrong with the share; None where it is as committed."""
        same = min(self.transcripts, self.texts)
        return None if same >= SAME_SHARE * self.views else f"{self.views - same} of {self.views} texts heard anew"


def make_files(split: str, out: Path, jobs: int, share: tuple[float, int] = (1.0, 0)) -> Path:
    """The media and the manifest of a split, unless they are there. Raises `WorldNotMade`."""
    manifest = out / "manifest.jsonl"
    if manifest.exists():
        return manifest
    words = [sys.executable, "-m", "encoders.world.market", "--split", split, "--out", str(out)]
    words += ["--share", str(share[0]), "--seed", str(share[1])]
    started = [subprocess.Popen([*words, "--part", f"{part}/{jobs}"]) for part in range(jobs)]
    try:
        failed = [one.wait() for one in started]
    finally:
        for one in started:
            one.kill()
            one.wait()
    if any(failed):
        raise WorldNotMade(
            f"the files of the split {split!r} could not be made",
            remedy="make setup-dev installs what draws and speaks",
        )
    return manifest


def prepared(manifest: Path, out: Path, jobs: int) -> tuple[View, ...]:
    """The views of a manifest as the command `vitrine prepare` makes them with the shipped models.

    Raises `WorldNotMade`.
    """
    words = [sys.executable, "-m", "streams.cli", "prepare", "--profile", "demo", "--jobs", str(jobs)]
    if subprocess.run([*words, "--manifest", str(manifest), "--out", str(out)], check=False).returncode:
        raise WorldNotMade(f"the views of {manifest} could not be prepared", remedy="it is told above why")
    return read_prepared(out).views


def committed_texts(path: Path) -> dict[str, Spoken]:
    """The committed texts by view."""
    with path.open(encoding="utf-8", newline="\n") as lines:
        told = [json.loads(line) for line in lines]
    return {one["view_id"]: Spoken(one["spoken"], one["text"]) for one in told}


def commit_texts(views: Iterable[View], path: Path) -> None:
    """Write what `committed_texts` reads: a line of JSON for each view that was heard, by the view's name."""
    heard = [view for view in views if view.domain is not Domain.PAGE]
    lines = [
        json.dumps({"view_id": view.view_id, "spoken": view.spoken or "", "text": view.text or ""}, ensure_ascii=False)
        for view in heard
    ]
    write_whole(path, "\n".join([*lines, ""]))


def with_texts(views: Sequence[View], texts: dict[str, Spoken]) -> tuple[View, ...]:
    """The views with what was heard of them; pages have their titles already."""
    found = []
    for view in views:
        known = texts.get(view.view_id)
        found.append(view.model_copy(update={"spoken": known.spoken, "text": known.text}) if known else view)
    return tuple(found)


def fill_texts(manifest: Path, texts: dict[str, Spoken]) -> Path:
    """A manifest beside the other, with the committed texts in it."""
    filled = manifest.with_name("manifest-with-texts.jsonl")
    write_manifest(with_texts(read_manifest(manifest), texts), filled)
    return filled


def repeated(views: Sequence[View], texts: dict[str, Spoken]) -> Repeated:
    """Compare views that were heard anew with what is committed of them."""
    both = [(view, texts[view.view_id]) for view in views if view.view_id in texts]
    return Repeated(
        len(both),
        sum(view.spoken == known.spoken for view, known in both),
        sum(view.text == known.text for view, known in both),
    )


def differences(result: Path, committed: Path) -> dict[str, float]:
    """By row, how far R@1 is from the committed one where it is farthest."""
    ours, theirs = (json.loads(path.read_text(encoding="utf-8"))["rows"] for path in (result, committed))
    return {
        name: max(abs(ours[name][way]["r1"] - theirs[name][way]["r1"]) for way in theirs[name])
        for name in theirs
        if name in ours
    }
