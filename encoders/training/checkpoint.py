"""Where a run stands ↔ a checkpoint file: written whole or not at all, and refused by a run with other settings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from encoders.network_config import write_whole

CHECKPOINT, LOSSES = "checkpoint.pt", "losses.jsonl"


class OtherRun(ValueError):
    """The folder holds a run that was begun with other settings or data: says which differ."""


class DamagedCheckpoint(ValueError):
    """A checkpoint that cannot be read: another program, or the disk, has damaged it."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The next thing that a run will do."""

    stage: int = 0
    step: int = 0


@dataclass(frozen=True, slots=True)
class Kept:
    """A checkpoint that was read."""

    standing: Standing
    trainee: dict[str, torch.Tensor]
    optimiser: dict[str, Any] | None
    """None between two stages."""


def save(path: Path, kept: Kept, identity: Mapping[str, object]) -> None:
    """Write a checkpoint in place of the one before, which stays where this one cannot be written. Raises OSError."""
    told = {
        "stage": kept.standing.stage,
        "step": kept.standing.step,
        "trainee": kept.trainee,
        "optimiser": kept.optimiser,
        "identity": dict(identity),
    }
    write_tensors(told, path)


def read(path: Path, identity: Mapping[str, object]) -> Kept | None:
    """The checkpoint, or None where there is none yet. Raises `OtherRun`, `DamagedCheckpoint`.

    Of the identity's ``stages`` only those that have begun have to be the same, since later ones may still be changed.
    Once the last has ended all have to be: the name of the space is then that of a finished network.
    """
    if not path.exists():
        return None
    try:
        told = torch.load(path, map_location="cpu", weights_only=True)
    except (EOFError, RuntimeError, UnpicklingError) as damage:
        raise DamagedCheckpoint(f"{path} is cut off, or no checkpoint: remove it, and the run begins anew") from damage
    standing = Standing(told["stage"], told["step"])
    ended = standing.stage == len(told["identity"]["stages"])
    begun = None if ended else standing.stage + (standing.step > 0)
    refuse_other(path, _so_far(told["identity"], begun), _so_far(identity, begun))
    return Kept(standing, told["trainee"], told["optimiser"])


def write_tensors(told: Mapping[str, object], path: Path) -> None:
    """Write a file for ``torch.load``, or leave the one that is there as it was. Raises OSError with the path.

    On a full disk torch raises a RuntimeError that does not say so; the OSError behind it is raised instead.
    """
    part = path.with_suffix(".part")
    try:
        with part.open("wb") as file:
            torch.save(told, file)
    except (OSError, RuntimeError) as failure:
        refused = failure if isinstance(failure, OSError) else failure.__context__
        if not isinstance(refused, OSError):
            raise
        raise OSError(refused.errno, refused.strerror, str(part)) from failure
    part.replace(path)


def refuse_other(path: Path, before: Mapping[str, object], identity: Mapping[str, object]) -> None:
    """Raises `OtherRun` where the checkpoint is of a run that was not begun as this one."""
    differ = sorted(name for name in before.keys() | identity.keys() if before.get(name) != identity.get(name))
    if differ:
        raise OtherRun(
            f"{path} is of a run with other settings or data; these differ: {', '.join(differ)}. Set them as they "
            "were to go on with it, or begin anew in another folder"
        )


class LossLog:
    """The loss of each step, one line each; a run that is resumed drops the lines of the steps that it will repeat."""

    def __init__(self, path: Path, standing: Standing) -> None:
        self._path = path
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        told = [line for line in lines if _before(line, standing)]
        write_whole(path, "".join(f"{line}\n" for line in told))

    def tell(self, told: Mapping[str, object]) -> None:
        """Add a line, at once."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(told) + "\n")

    def last(self) -> dict[str, object]:
        """The last line; empty where there is none."""
        lines = self._path.read_text(encoding="utf-8").splitlines()
        return dict(json.loads(lines[-1])) if lines else {}


def _so_far(identity: Mapping[str, Any], begun: int | None) -> dict[str, object]:
    """An identity with the first ``begun`` stages, each under a name of its own; None: with all of them."""
    rest = {name: value for name, value in identity.items() if name != "stages"}
    return rest | {f"stages.{number}": stage for number, stage in enumerate(identity["stages"][:begun])}


def _before(line: str, standing: Standing) -> bool:
    """Whether a line is of a step that is done; a half-written one is of none."""
    try:
        told = json.loads(line)
    except json.JSONDecodeError:
        return False
    return (told["stage"], told["step"]) < (standing.stage, standing.step)
