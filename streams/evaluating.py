"""What ``vitrine evaluate encoder`` does: evaluate with a bar, write JSON and HTML, and print the tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from agents.phonetics import repaired
from encoders.evaluation.build import Means
from encoders.evaluation.claim import claimed_in
from encoders.evaluation.examples import album_of
from encoders.evaluation.intervals import Bootstrap
from encoders.evaluation.networks import NoDevice, WrongNetwork
from encoders.evaluation.report import page, spoken
from encoders.evaluation.rows import RowsError
from encoders.evaluation.run import Evaluation, evaluate, steps_in, write_result
from encoders.faults import BrokenModel, MissingModel
from encoders.manifest import ManifestError
from encoders.prepared import PreparedError, folder_of
from infra.errors import InfraError
from streams.evaluation_tables import tables
from streams.written import written

RESULT, PAGE = "evaluation.json", "evaluation.html"
COUNTED = ("none", "one", "two", "three", "four", "five", "six")


class CannotEvaluate(InfraError):
    """The views or the networks are not what an evaluation needs."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says."""

    manifests: Sequence[Path]
    networks: Path
    out: Path
    seed: int
    device: str = "cpu"
    """Where the networks compute."""


def main(asked: Asked, console: Console) -> None:
    """Evaluate, print what was found and write both files. Raises `CannotEvaluate`, `NotWritten`."""
    with _explained(asked):
        evaluation = _watched(asked)
    say = partial(console.print, markup=False, highlight=False, soft_wrap=True)
    _tell(evaluation, console, say)
    album = album_of(evaluation.rows, evaluation.bench)
    shown = album.examples(asked.seed)
    with written("the result cannot be written", "give another --out"):
        asked.out.mkdir(parents=True, exist_ok=True)
        write_result(evaluation.result, asked.out / RESULT)
        (asked.out / PAGE).write_text(page(evaluation.result, shown, album.task.name), encoding="utf-8")
    say(f"written: {asked.out / RESULT}, {asked.out / PAGE}")


def mended(text: str, titles: Sequence[str]) -> str:
    """A summary's text with the name repaired from the titles on a shelf, as the summarizer repairs it."""
    name, apart, features = text.partition("; ")
    return (repaired(name, titles) or name) + apart + features


def _tell(evaluation: Evaluation, console: Console, say: Callable[[str], None]) -> None:
    """The tables, the claim, and what was left out."""
    for table in tables(evaluation.result):
        console.print(table)
    for other, told in evaluation.result["claim"].items():
        missing = ", ".join(map(spoken, told["not_shown_in"]))
        all_of_them = f"shown in all {COUNTED[len(claimed_in(evaluation.result, other))]}"
        say(f"claim against {other} ({told['claimed']}): {f'not shown in {missing}' if missing else all_of_them}")
    for name, why in evaluation.result["left_out"].items():
        say(f"left out: {name}: {why}")
    for note in evaluation.result["notes"]:
        say(f"note: {note}")


def _watched(asked: Asked) -> Evaluation:
    columns = (
        TextColumn("evaluate"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[on]}"),
    )
    folders = [folder_of(manifest) for manifest in asked.manifests]
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=steps_in(asked.networks), on="")

        def told(on: str) -> None:
            bar.update(task, advance=1, on=on)

        result = evaluate(folders, asked.networks, Bootstrap(asked.seed), told, Means(asked.device, mended))
        bar.update(task, completed=steps_in(asked.networks), on="")
    return result


@contextmanager
def _explained(asked: Asked) -> Iterator[None]:
    """What is wrong with the input becomes a failure with a remedy."""
    try:
        yield
    except (ManifestError, PreparedError) as wrong:
        raise CannotEvaluate(str(wrong), remedy="vitrine prepare --help says what makes a prepared manifest") from wrong
    except (RowsError, WrongNetwork) as wrong:
        raise CannotEvaluate(str(wrong), remedy=f"look at rows.toml in {asked.networks}") from wrong
    except (BrokenModel, MissingModel) as wrong:
        remedy = f"put the right file there, or take the network out of rows.toml in {asked.networks}"
        raise CannotEvaluate(str(wrong), remedy=remedy) from wrong
    except NoDevice as wrong:
        remedy = "VITRINE_DEVICE=cpu; vitrine doctor says what torch sees"
        raise CannotEvaluate(f"VITRINE_DEVICE is {asked.device}, and {wrong}", remedy=remedy) from wrong
    except FileNotFoundError as missing:
        remedy = "the networks' folder needs a rows.toml and a folder for each network that it names"
        raise CannotEvaluate(f"{missing.filename} is not there", remedy=remedy) from missing
