"""What a run made of the recorded world, read back from Kafka, and the promises it is held to."""

from collections import defaultdict
from dataclasses import dataclass, field

from infra.settings import Settings
from schemas.match import Match
from streams.envelope import Record
from streams.reading import connect
from streams.topology import DEADLETTERS, MATCHES, topic_name
from tests.streams.world import STREAMS, segment_ids


@dataclass(slots=True)
class Ledger:
    """The terminal records of one run, by segment id."""

    values: dict[str, set[bytes]] = field(default_factory=lambda: defaultdict(set))
    """Everything that was said of a segment; two different values contradict each other."""
    order: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """Stream → sequences of its matches, in the order of their first occurrence."""
    letters: dict[str, Record] = field(default_factory=dict)
    """Dead letters, by the id of the terminal record."""
    duplicates: int = 0
    """Records that said again what was said before."""

    def unanswered(self) -> set[str]:
        """Segments without a terminal record."""
        return segment_ids() - set(self.values)

    def contradictions(self) -> dict[str, int]:
        """Segments with two different answers."""
        return {name: len(said) for name, said in self.values.items() if len(said) > 1}

    def out_of_order(self) -> list[str]:
        """Streams whose matches do not come in the order of their segments."""
        return [stream for stream, sequences in self.order.items() if sequences != sorted(sequences)]

    def complaints(self, twin: "Ledger") -> list[str]:
        """Every broken promise, in words; empty where all are kept. `twin` is the undisturbed run."""
        differs = [name for name, said in twin.values.items() if self.values.get(name) != said]
        checks = {
            "without an answer": sorted(self.unanswered()),
            "with two answers": sorted(self.contradictions()),
            "streams out of order": self.out_of_order(),
            "unlike the undisturbed run": differs,
            "answered here alone": sorted(set(self.values) - set(twin.values)),
        }
        return [f"{len(found)} {what}: {found[:5]}" for what, found in checks.items() if found]


def read_ledger(settings: Settings, run: str) -> Ledger:
    """Read a run's matches and dead letters as they are now."""
    ledger = Ledger()
    with connect(settings) as reader:
        for record in reader.read(reader.stretches(topic_name(MATCHES, run))):
            if record.headers["ce_type"].decode() == Match.ce_type:
                _take_match(ledger, record)
        for record in reader.read(reader.stretches(topic_name(DEADLETTERS, run))):
            _take_letter(ledger, record)
    return ledger


def _take_match(ledger: Ledger, record: Record) -> None:
    stream = (record.key or b"").decode()
    name = record.headers["ce_id"].decode().removesuffix("/match")
    if name in ledger.values:
        ledger.duplicates += 1
    else:
        ledger.order[stream].append(int(record.headers["ce_sequence"]))
    ledger.values[name].add(record.value or b"")


def _take_letter(ledger: Ledger, record: Record) -> None:
    name = record.headers["__streams.errors.id"].decode()
    ledger.duplicates += name in ledger.letters
    ledger.letters[name] = record
    if name.rpartition("/")[0] in STREAMS or name.startswith("room-9"):
        ledger.values[name].add(record.headers["__streams.errors.exception"])
