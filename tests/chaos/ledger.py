"""What a run came to, and every promise that it is held to. Pure: whoever reads Kafka and Milvus brings it here.

Terminal records are compared by name: a segment's own id where it has one, else what was sent, since the id of a
message that could not be read is its position, and positions differ from run to run.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from infra.vectors import LiveRow
from schemas.ids import fingerprint
from schemas.match import Match
from streams.envelope import Record
from tests.chaos.journal import At, Journal


class Check(StrEnum):
    """The promises; a report counts what broke each."""

    LOST = "lost"
    """A message that was pushed has no terminal record."""
    TWO_ANSWERS = "duplicates_with_different_content"
    """It has two that say different things, or the same under two ids."""
    UNLIKE = "unlike_the_undisturbed_run"
    """It has another one than in the undisturbed run, or one that has none there."""
    ORDER = "out_of_order"
    """A stream's matches do not come in the order of its segments."""
    OVERTAKEN = "committed_past_unfinished"
    """A committed offset has passed a message that was not finished."""
    ROWS = "milvus_rows_differ"
    """The vector store holds other rows than after the undisturbed run."""
    BALANCE = "unbalanced"
    """A message of a stage has no fate or two: in is not out + held + dropped."""
    COUNTERS = "counters_unbalanced"
    """A worker that lived to the end counted more or fewer messages out than in."""
    STOPPED = "stopped"
    """A worker ended by itself although no fault explains it."""
    STUCK = "stuck"
    """The run did not come to its end in time."""
    PROBES = "probes_untrue"
    """A worker said that it was ready while what it stands on was away, or did not say so again after."""
    DELAYED = "delayed"
    """Streams that the fault does not concern waited for it."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """One broken promise."""

    check: Check
    detail: str


@dataclass(frozen=True, slots=True)
class Terminal:
    """A match, a dead letter, or a control event at the end of its way."""

    record_id: str
    """Equal ids are one record."""
    name: str
    said: bytes
    at_ms: int
    stream: str = ""
    sequence: int | None = None
    """Of a match; nothing else stands in an order."""


Row = tuple[str, int, int, tuple[float, ...]]
"""Segment id, sequence, start in ms, vector."""


@dataclass(slots=True)
class Books:
    """All that is known of one run."""

    terminals: list[Terminal] = field(default_factory=list)
    """In the order of the topics."""
    rows: set[Row] = field(default_factory=set)
    products: int = 0
    inputs: set[At] = field(default_factory=set)
    """Every message of every stage's input."""
    journals: list[Journal] = field(default_factory=list)
    """Of every worker process."""
    survivors: list[Journal] = field(default_factory=list)
    """Of those that ended when they were asked to."""
    overtaken: set[At] = field(default_factory=set)
    other: list[Complaint] = field(default_factory=list)
    """What was noticed while it went on."""
    stalled: int = 0
    """Workers that stood still, said so and ended, as the fault explains."""
    began_ms: int = 0
    """When the fault began, by the wall clock; 0: there was none."""
    lifted_ms: int = 0
    """When its cause was gone; a kill's is gone at once."""

    @property
    def said(self) -> dict[str, set[bytes]]:
        """Name → all that was said of it."""
        found: dict[str, set[bytes]] = defaultdict(set)
        for terminal in self.terminals:
            found[terminal.name].add(terminal.said)
        return found

    @property
    def recovery_s(self) -> float | None:
        """From the end of the cause until every stream that was not through has its next match; None: no fault."""
        first: dict[str, tuple[str, int]] = {}
        for terminal in self.terminals:
            if terminal.stream:
                first.setdefault(terminal.record_id, (terminal.stream, terminal.at_ms))
        later: dict[str, int] = {}
        for stream, at_ms in sorted(first.values(), key=lambda each: each[1]):
            if at_ms > self.lifted_ms:
                later.setdefault(stream, at_ms)
        return (max(later.values()) - self.lifted_ms) / 1000 if self.lifted_ms and later else None


@dataclass(frozen=True, slots=True)
class Expected:
    """The undisturbed runs: a value is right if one of them has it; and what this run has more than they."""

    twins: Sequence[Books]
    more: Mapping[str, bytes] = field(default_factory=dict)
    """Name → what is said, of messages that the run alone was given."""


def complaints(books: Books, expected: Expected) -> list[Complaint]:
    """Every broken promise, in words; empty where all are kept."""
    found = [*books.other, *_answers(books, expected), *_order(books), *_rows(books, expected.twins[-1])]
    if books.overtaken:
        found.append(Complaint(Check.OVERTAKEN, _listed(sorted(books.overtaken))))
    return [*found, *_balance(books), *_counters(books.survivors)]


def take_match(record: Record) -> Terminal:
    """A record of the matches: a match, or a control event that has come through all stages."""
    name, stream = record.headers["ce_id"].decode().removesuffix("/match"), (record.key or b"").decode()
    if record.headers["ce_type"].decode() != Match.ce_type:
        return Terminal(name, name, record.value or b"", record.timestamp_ms)
    return Terminal(name, name, record.value or b"", record.timestamp_ms, stream, int(record.headers["ce_sequence"]))


def take_letter(record: Record) -> Terminal:
    """A dead letter as a terminal record."""
    its_id = record.headers["__streams.errors.id"].decode()
    place = [record.headers[f"__streams.errors.{part}"].decode() for part in ("topic", "partition", "offset")]
    name = sent(record.key, record.value, record.headers) if its_id == "/".join(place) else its_id
    return Terminal(its_id, name, record.headers["__streams.errors.exception"], record.timestamp_ms)


def sent(key: bytes | None, value: bytes | None, headers: Mapping[str, bytes]) -> str:
    """A name for a message that has no id that can be relied on: what was sent."""
    own = sorted((name, said) for name, said in headers.items() if not name.startswith("__streams.errors."))
    return f"sent {fingerprint(repr((key, value, own)).encode())}"


def overtaken(committed: Mapping[tuple[str, int], int], done: set[At]) -> set[At]:
    """Messages below a committed offset that no worker had finished. `committed` must be read before `done`."""
    return {
        (stage, partition, offset)
        for (stage, partition), end in committed.items()
        for offset in range(end)
        if (stage, partition, offset) not in done
    }


def _answers(books: Books, expected: Expected) -> Iterator[Complaint]:
    said, wanted = books.said, [twin.said for twin in expected.twins]
    known = set().union(*wanted, expected.more)
    ids = defaultdict(set)
    for terminal in books.terminals:
        ids[terminal.name].add(terminal.record_id)
    right = {name: {value for twin in wanted for value in twin.get(name, ())} for name in known}
    right |= {name: {value} for name, value in expected.more.items()}
    checks = {
        Check.LOST: known - set(said),
        Check.TWO_ANSWERS: {name for name in said if len(said[name]) > 1 or len(ids[name]) > 1},
        Check.UNLIKE: {name for name, values in said.items() if not values <= right.get(name, set())},
    }
    yield from (Complaint(check, _listed(sorted(names))) for check, names in checks.items() if names)


def _order(books: Books) -> Iterator[Complaint]:
    order: dict[str, dict[int, None]] = defaultdict(dict)
    for terminal in books.terminals:
        if terminal.sequence is not None:
            order[terminal.stream][terminal.sequence] = None
    wrong = [f"{stream}: {list(seen)}" for stream, seen in order.items() if list(seen) != sorted(seen)]
    if wrong:
        yield Complaint(Check.ORDER, _listed(wrong))


def _rows(books: Books, twin: Books) -> Iterator[Complaint]:
    missing, more = twin.rows - books.rows, books.rows - twin.rows
    if missing or more:
        names = _listed(sorted({row[0] for row in missing | more}))
        yield Complaint(Check.ROWS, f"{len(missing)} missing, {len(more)} unexpected: {names}")
    if books.products != twin.products:
        yield Complaint(Check.ROWS, f"{books.products} catalogue rows instead of {twin.products}")


def _balance(books: Books) -> Iterator[Complaint]:
    fates: dict[At, set[str]] = defaultdict(set)
    for journal in books.journals:
        for at, told in journal.fates.items():
            fates[at] |= told
    for stage in sorted({at[0] for at in books.inputs | set(fates)}):
        given = {at for at in books.inputs if at[0] == stage}
        ended = Counter(fate for at in given for fate in fates.get(at, ()))
        odd = sorted(at for at in given if len(fates.get(at, ())) != 1)
        if odd or ended.total() != len(given):
            yield Complaint(Check.BALANCE, f"{stage}: {len(given)} in, {dict(ended)} out: {_listed(odd)}")


def _counters(survivors: Iterable[Journal]) -> Iterator[Complaint]:
    for journal in survivors:
        for stage, received in sorted(journal.received.items()):
            out, left = journal.finished[stage], journal.abandoned[stage]
            if received != out + left:
                yield Complaint(Check.COUNTERS, f"{stage}: {received} in, {out} out, {left} abandoned")


def _listed(names: Sequence[object]) -> str:
    return f"{len(names)}: {', '.join(map(str, names[:5]))}{' …' if len(names) > 5 else ''}"


def rows_of(found: Iterable[LiveRow]) -> set[Row]:
    """Live rows without what the wall clock says."""
    return {(row.segment_id, row.sequence, row.start_ms, row.vector) for row in found}
