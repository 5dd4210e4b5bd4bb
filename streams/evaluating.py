"""What ``vitrine evaluate encoder`` does: evaluate with a bar, write JSON and HTML, and print the table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from encoders.evaluation.examples import album_of
from encoders.evaluation.intervals import Bootstrap
from encoders.evaluation.networks import WrongNetwork
from encoders.evaluation.report import page, spoken
from encoders.evaluation.rows import OURS, RowsError
from encoders.evaluation.run import Evaluation, evaluate, steps_in, write_result
from encoders.manifest import ManifestError
from encoders.prepared import PreparedError, folder_of
from infra.errors import InfraError

RESULT, PAGE = "evaluation.json", "evaluation.html"


class CannotEvaluate(InfraError):
    """The views or the networks are not what an evaluation needs."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says."""

    manifests: Sequence[Path]
    networks: Path
    out: Path
    seed: int


def main(asked: Asked, console: Console) -> None:
    """Evaluate, write both files and print what was found. Raises `CannotEvaluate`."""
    with _explained(asked):
        evaluation = _watched(asked)
    asked.out.mkdir(parents=True, exist_ok=True)
    shown = album_of(evaluation.rows, evaluation.bench).examples(asked.seed)
    write_result(evaluation.result, asked.out / RESULT)
    (asked.out / PAGE).write_text(page(evaluation.result, shown), encoding="utf-8")
    say = partial(console.print, markup=False, highlight=False, soft_wrap=True)
    for table in tables(evaluation.result):
        console.print(table)
    for other, told in evaluation.result["claim"].items():
        missing = ", ".join(map(spoken, told["not_shown_in"]))
        say(
            f"claim against {other} ({told['claimed']}): {f'not shown in {missing}' if missing else 'shown in all six'}"
        )
    for name, why in evaluation.result["left_out"].items():
        say(f"left out: {name}: {why}")
    say(f"written: {asked.out / RESULT}, {asked.out / PAGE}")


def tables(result: Mapping[str, Any]) -> list[Table]:
    """R@1 of every row with its interval, and the intervals of AMPere minus the others; 80 columns suffice,
    for the larger shelves are left to the files.
    """
    rows = result["rows"]
    ways = [way for way in next(iter(rows.values())) if not way.startswith("shelf_")]
    found = _table("R@1", ways, f"{result['measured_on']['products']} products; below R@1 its 95 % interval")
    for name, figures in rows.items():
        cells = [f"{figures[way]['r1']:.3f}\n{_between(figures[way]['r1_ci'])}" for way in ways]
        found.add_row(name.replace("_", " "), *cells, style="bold" if name == OURS else None)
    if not result["paired"]:
        return [found]
    paired = _table(f"{OURS} minus", ways, "R@1, bounds of the 95 % interval in the same draws of products")
    for name, intervals in result["paired"].items():
        paired.add_row(name.replace("_", " "), *("\n".join(f"{each:+.3f}" for each in intervals[way]) for way in ways))
    return [found, paired]


def _table(corner: str, ways: Sequence[str], title: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), title=title, title_justify="left")
    table.add_column(corner)
    for way in ways:
        table.add_column(spoken(way).replace(" ", "\n", 1), justify="right", no_wrap=True)
    return table


def _between(bounds: Sequence[float]) -> str:
    return "-".join(f"{bound:.2f}".removeprefix("0") for bound in bounds)


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
        result = evaluate(folders, asked.networks, Bootstrap(asked.seed), lambda on: bar.update(task, advance=1, on=on))
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
    except FileNotFoundError as missing:
        remedy = "the networks' folder needs a rows.toml and a folder for each network that it names"
        raise CannotEvaluate(f"{missing.filename} is not there", remedy=remedy) from missing
