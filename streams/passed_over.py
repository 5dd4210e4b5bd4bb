"""What a consumer was given → what it was not given: the messages that it passed over, read again and handled first.

What one would get wrong: Faust notes a message as read before it is handed on. When partitions are given out at that
moment the message is dropped; the next one is delivered, and Faust commits past both, taking the gap for one that
compaction left. So what is delivered is compared with where this generation must go on.
"""

from dataclasses import dataclass, field

from streams.envelope import Record


@dataclass(slots=True)
class Continuity:
    """How far each partition has come in this generation."""

    gaps_are_normal: bool
    """A compacted topic has gaps of its own, so there only the first message of a generation is looked at."""
    _next: dict[int, int] = field(default_factory=dict)

    def begin(self, partition: int, committed: int | None) -> None:
        """A generation begins, where the group has committed to go on; None: nowhere yet."""
        self._next[partition] = committed or 0

    def missing(self, record: Record) -> range:
        """The offsets before this record that did not come; there may be no message at some of them, or at any."""
        return range(self._next.get(record.partition, record.offset), record.offset)

    def handled(self, record: Record) -> None:
        """All is done up to this record."""
        self._next[record.partition] = max(record.offset + 1, self._next.get(record.partition, 0))
        if self.gaps_are_normal:
            del self._next[record.partition]
