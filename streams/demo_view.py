"""What the demo shows while it runs: a line for each segment, and on a terminal a status line below them.

The same lines come out on a terminal and in a log; only the line at the bottom, which is drawn again and again, needs a
terminal. Nothing that was heard or that a title says can steer the terminal.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn
from rich.table import Table
from rich.text import Text

from schemas.ids import ProductId
from schemas.match import Match
from streams.labels import NoProduct, Truth
from streams.plain import plain
from streams.scoring import Answer, Letter, is_right
from streams.watch import clock

LOG_WIDTH = 150
"""Characters a line where the output is no terminal."""
COLUMNS = (("time", 5, 0), ("heard", 0, 5), ("summary", 0, 4), ("on show", 0, 5), ("score", 5, 0), ("link", 4, 0),
           ("truth", 0, 4), ("after", 7, 0))  # fmt: skip
"""Title, fixed width or 0, share of what is left."""
RIGHT, WRONG, UNCOUNTED = "✓", "✗", "·"


@dataclass(slots=True)
class View:
    """Where the demo is told; used as a context manager."""

    console: Console
    names: Mapping[ProductId, str]
    """What a product is called where the truth is told."""
    right: int = 0
    counted: int = 0
    _bar: Progress | None = None

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            columns = (SpinnerColumn(), TextColumn("{task.description}"))
            self._bar = Progress(*columns, console=self.console, transient=True, refresh_per_second=4)
            self._bar.start()
            self._bar.add_task("", total=None)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bar:
            self._bar.stop()

    def say(self, line: str) -> None:
        """One line about what happens now; on a terminal also the status."""
        self.console.print(Text(plain(line), style="dim"))
        self.status(line)

    def status(self, line: str) -> None:
        """The line at the bottom; nothing where there is no terminal."""
        if self._bar:
            self._bar.update(self._bar.task_ids[0], description=escape(plain(line)))

    def turn_to(self, names: Mapping[ProductId, str]) -> None:
        """Another show begins."""
        self.names, self.right, self.counted = names, 0, 0

    def heading(self) -> None:
        """The columns' names."""
        self._row([Text(title, style="bold") for title, _, _ in COLUMNS])

    def answer(self, answer: Answer, truth: Truth) -> None:
        """One segment's match and its truth."""
        match, right = answer.match, is_right(answer.match, truth)
        self.counted += right is not None
        self.right += right is True
        best = match.shown[0] if match.shown else None
        cells = (
            clock(match.start_ms),
            match.heard or (f"({match.speech_gap})" if match.speech_gap else ""),
            match.said.text,
            _decided(match),
            f"{best.score:.2f}" if best else "",
            f"#{best.link}" if best and best.link is not None else "",
        )
        told = Text(self._truth(right, truth), style={True: "green", False: "red", None: "dim"}[right])
        self._row([*(Text(plain(cell)) for cell in cells), told, Text(f"{answer.latency_ms / 1000:.1f} s")])

    def letter(self, letter: Letter) -> None:
        """A segment that became a dead letter."""
        self.console.print(Text(plain(f"{letter.segment_id}: dead letter ({letter.reason})"), style="red"))

    def table(self, table: Table) -> None:
        """A table, as it is."""
        self.console.print(table)

    def _truth(self, right: bool | None, truth: Truth) -> str:
        mark = {True: RIGHT, False: WRONG, None: UNCOUNTED}[right]
        if isinstance(truth, NoProduct):
            return f"{mark} {'nothing' if truth is NoProduct.NONE_SHOWN else 'a switch'}"
        return f"{mark} {plain(self.names.get(truth, truth))}"

    def _row(self, cells: list[Text]) -> None:
        row = Table.grid(padding=(0, 1), expand=True)
        for _, width, ratio in COLUMNS:
            row.add_column(width=width or None, ratio=ratio or None, no_wrap=True, overflow="ellipsis")
        row.add_row(*cells)
        self.console.print(row)


def stdout_console() -> Console:
    """The terminal, or a log with lines of a fixed width."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=LOG_WIDTH)


def _decided(match: Match) -> str:
    if not match.shown:
        return f"– ({match.doubt})" if match.doubt else "–"
    return match.shown[0].title + (" (off the shelf)" if match.decision.value == "off_shelf" else "")
