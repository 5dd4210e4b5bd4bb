"""``vitrine train``."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from infra.errors import InfraError
from infra.settings import read_settings
from streams.commands.words import say
from streams.plain import plain
from streams.written import written

if TYPE_CHECKING:
    from encoders.training.trainer import Trainer


class NoTraining(InfraError):
    """The run cannot be begun, or cannot go on: its configuration, its data or its folder is at fault."""


class Interrupt:
    """Whether Ctrl-C was pressed: the first one ends the run after the step it is at, the second at once."""

    def __init__(self) -> None:
        self.asked = False

    def ask(self, number: int, frame: FrameType | None) -> None:
        """The signal's handler."""
        if self.asked:
            signal.default_int_handler(number, frame)
        self.asked = True


@click.command()
@click.option("--manifest", type=click.Path(exists=True, path_type=Path), required=True,
              help="A prepared manifest (vitrine prepare), or its folder.")  # fmt: skip
@click.option("--config", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True,
              help="TOML file of the run.")  # fmt: skip
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True,
              help="Folder of the network; what the run needs lies in OUT/run.")  # fmt: skip
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE",
              help="Over the file: --set batch=32 --set stages.0.steps=100. May be repeated.")  # fmt: skip
def command(manifest: Path, config: Path, out: Path, settings: tuple[str, ...]) -> None:
    """Train a network on a prepared manifest.

    It begins from the shipped network, or from the folder that start names in the configuration: one of vitrine models
    assemble, or one that was trained before. A run that was stopped or killed goes on from its checkpoint with the
    same command; the stages that have not begun may be others by then. Losses are in OUT/run/losses.jsonl and, for
    TensorBoard, in OUT/run/logs. With several GPUs: accelerate launch -m streams.cli train …. The network in OUT loads
    like any other; its thresholds are those of the network it began from until they are measured.

    \b
    The least that a configuration says:
      space = "shop-1"                # the new space's name
      [[stages]]
      objective = "fuse"
      steps = 2000
    Every key and what it means: encoders/training/plan.py.

    \b
    Example: vitrine train --manifest prepared --config run.toml --out network
    """
    trainer = _begun(manifest, config, out, settings)
    with _minded() as interrupt:
        finished = _trained(trainer, interrupt)
    if not finished:
        say(f"stopped at step {trainer.standing.step} of stage {trainer.standing.stage}; the same command goes on")
        raise KeyboardInterrupt
    if trainer.first:
        click.echo(f"trained {plain(trainer.space)} on {trainer.products} products: {plain(str(out))}")


def _begun(manifest: Path, config: Path, out: Path, settings: tuple[str, ...]) -> Trainer:
    """The run, as far as it came before. Raises `NoTraining`."""
    try:
        from encoders.training.trainer import Trainer
    except ImportError as missing:
        raise NoTraining(f"{missing}", remedy="pip install 'vitrine[train]'") from missing
    from encoders.faults import BrokenModel, MissingModel
    from encoders.manifest import ManifestError
    from encoders.prepared import PreparedError, folder_of, read_prepared
    from encoders.training.checkpoint import DamagedCheckpoint, OtherRun
    from encoders.training.plan import PlanError, read_plan
    from encoders.training.samples import TooFew

    try:
        plan, folder = read_plan(config, settings), folder_of(manifest)
        if plan.start is not None and plan.start.resolve() == out.resolve():
            raise PlanError(f"start: {plan.start} is --out too: the run would write over what it begins from")
        return Trainer(plan, read_prepared(folder), folder, out, cpu=read_settings().device == "cpu")
    except (ManifestError, PreparedError, PlanError, TooFew, DamagedCheckpoint) as wrong:
        raise NoTraining(str(wrong)) from wrong
    except (BrokenModel, MissingModel) as wrong:
        remedy = 'put the right file there, or begin from another network: start = "FOLDER" in the configuration'
        raise NoTraining(str(wrong), remedy=remedy) from wrong
    except OtherRun as other:
        raise NoTraining(str(other), remedy="give another --out, or remove that folder") from other


def _trained(trainer: Trainer, interrupt: Interrupt) -> bool:
    """Whether it came to the end. Raises `NoTraining`, `NotWritten` where it cannot go on."""
    from encoders.engines import Unreadable

    what = "the training cannot go on"
    remedy = "put that right; the same command goes on from the last checkpoint, which is kept every save_every steps "
    remedy += "and after each stage"
    try:
        with written(what, remedy):
            return _watched(trainer, interrupt)
    except Unreadable as failure:
        raise NoTraining(f"{what}: {failure}", remedy=remedy) from failure


def _watched(trainer: Trainer, interrupt: Interrupt) -> bool:
    """Train with a bar; whether it came to the end."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not trainer.first) as bar:
        task = bar.add_task("train")
        for told in trainer.steps():
            recall = f", R@1 {told.recall.r1:.3f} of {told.recall.products}" if told.recall else ""
            bar.update(
                task,
                description=f"stage {told.stage}, loss {told.loss:.3f}{recall}",
                completed=told.step + 1,
                total=told.steps,
            )
            if recall:
                bar.console.print(f"stage {told.stage}, step {told.step}: loss {told.loss:.3f}{recall}")
            if interrupt.asked:
                trainer.save()
                return False
    return True


@contextmanager
def _minded() -> Iterator[Interrupt]:
    """Ctrl-C and SIGTERM end the run between two steps, with a checkpoint."""
    interrupt = Interrupt()
    before = {number: signal.signal(number, interrupt.ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
