"""dead letter → the message that is sent again: the original where it is still kept, else what the letter holds.

What one would get wrong: everything that was made from the message has been dropped as seen before ever since, and a
plain copy would be too. So it carries how often it was replayed (``ce_replay``), which goes on to all that is made from
it, and each stage handles it on a state of its own (`streams/delivery.py`). The number comes from the letter: the same
letter sent twice has the same number and is a duplicate; a letter that came of a replay has a higher one.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from infra.errors import InfraError
from schemas.product import Product
from schemas.reasons import Reason
from schemas.room import RoomChanged
from schemas.segment import Segment
from streams.ancestry import Lookup
from streams.deadletters import UNKNOWN, Letter
from streams.envelope import MAX_REPLAYS, REPLAY, REPLAY_OF
from streams.originals import original
from streams.plain import plain
from streams.reading import Reader
from streams.topology import DEADLETTERS, PRODUCTS, SEGMENTS, TOPICS

DROP = "vitrine deadletters drop ID"
OURS = (f"ce_{REPLAY}", REPLAY_OF)


class NotReplayable(InfraError):
    """Sending this letter's message again would do nothing, or harm."""


@dataclass(frozen=True, slots=True)
class Again:
    """A record as it is sent again."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: dict[str, bytes]


@dataclass(slots=True)
class NewestProducts:
    """The newest record of each product; what was read for one question is not read again for the next."""

    reader: Reader
    _offsets: dict[bytes, int] = field(default_factory=dict)
    _read_to: int = 0

    def of(self, key: bytes) -> int | None:
        """Its offset as of now."""
        (there,) = self.reader.stretches(PRODUCTS.name)
        unread = self.reader.read([there.since(self._read_to)])
        self._offsets.update((record.key or b"", record.offset) for record in unread)
        self._read_to = there.end
        return self._offsets.get(key)


def again(letter: Letter, at: Lookup, newest_product: Callable[[bytes], int | None]) -> Again:
    """The message of a letter, to be sent again. `newest_product`: the offset of a key's newest record.

    Raises `NotReplayable`.
    """
    if letter.reason == Reason.CONFLICT:
        raise _refused(letter, "the first content under this id counts and has its own answer",
                       "push it under a sequence or a stream id of its own")  # fmt: skip
    if letter.attempt >= MAX_REPLAYS:
        raise _refused(letter, f"it was replayed {MAX_REPLAYS} times", DROP)
    kind = letter.record.header("ce_type")
    if kind == RoomChanged.ce_type and letter.reason == Reason.ENDED:
        raise _refused(letter, "its broadcast is over, and no change of the room counts any more", DROP)
    found = _segment(letter, at) if kind == Segment.ce_type else _as_it_was(letter)
    if kind == Product.ce_type:
        _must_be_newest(letter, newest_product)
    counted = {f"ce_{REPLAY}": str(letter.attempt + 1).encode(), REPLAY_OF: letter.id.encode()}
    own = {name: said for name, said in found.headers.items() if name not in OURS}
    return Again(found.topic, found.key, found.value, own | counted)


def _segment(letter: Letter, at: Lookup) -> Again:
    """The original from its topic; where that is gone, its bytes from the letter, or where the letter says they lie."""
    positions = [letter.origin] if letter.origin != UNKNOWN else []
    found = original(letter.record.headers.get("ce_id", b""), positions, at)
    if found is not None:
        return Again(SEGMENTS.name, found.key, found.value, dict(found.headers))
    if not letter.record.value and letter.reference is None and letter.reason != Reason.EMPTY:
        raise _refused(letter, "its bytes are kept no longer", "push the segment again under a stream id of its own")
    return Again(SEGMENTS.name, letter.record.key, letter.record.value, letter.headers)


def _as_it_was(letter: Letter) -> Again:
    """Key, value and headers of a letter that is the message itself."""
    topic = letter.origin.partition("/")[0]
    if topic == DEADLETTERS.name or topic not in {each.name for each in TOPICS}:
        raise _refused(letter, "it does not say from which topic of the flow it came",
                       "vitrine deadletters show ID prints all that it says")  # fmt: skip
    return Again(topic, letter.record.key, letter.record.value, letter.headers)


def _must_be_newest(letter: Letter, newest_product: Callable[[bytes], int | None]) -> None:
    newest = newest_product(letter.record.key or b"")
    offset = int(letter.origin.rpartition("/")[2])
    if letter.origin.startswith(f"{PRODUCTS.name}/") and newest is not None and newest > offset:
        raise _refused(letter, "a newer version of this product has come since, which this one would undo", DROP)


def _refused(letter: Letter, why: str, remedy: str) -> NotReplayable:
    return NotReplayable(f"{plain(letter.id)} ({plain(letter.reason)}) is not replayed: {why}", remedy=remedy)
