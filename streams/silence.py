"""Streams that fell silent for good → their ends, pushed: each stage publishes what it holds, and a replay sees it too.

What one would get wrong: the clock. A record's timestamp is its producer's own, and a worker that is behind makes every
stream look silent. So silence is what is seen here: two looks, so long apart, found the same message to be a stream's
last one, and none of it is waiting to be read.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from agents.frame_encoder import FrameEncoder
from infra.settings import Settings
from schemas.ids import StreamId, fingerprint
from schemas.room import StreamEnded
from streams import status
from streams.envelope import Envelope
from streams.marks import KafkaMarks, kept, last_marks
from streams.producer import Producer
from streams.reading import Reader, Stretch
from streams.rooms import last_states
from streams.state import ASIDE, Saved
from streams.topology import SEGMENTS, row_of
from streams.written import write_whole

SOURCE = "vitrine/tidy"
LOOKS = "silence.json"
HOURS_OF_A_DAY = 18
"""The stages forget a stream that was silent for all of `retention_days`: it is ended after three quarters of them at
the latest, while they still hold what is to be published."""
UNREAD_AT_MOST = 200
"""A stage that is further behind has to catch up first."""
STAGE = row_of("frame_encoder")
"""It reads the segments, and its states are the smallest."""


@dataclass(frozen=True, slots=True)
class Look:
    """A stream's last message, and since when it has been the last."""

    place: str
    since_s: float


def looked(before: Mapping[str, Look], places: Mapping[str, str], now_s: float) -> dict[str, Look]:
    """What is to be remembered of these streams, each with the place of its last message."""
    found: dict[str, Look] = {}
    for stream, place in places.items():
        known = before.get(stream)
        found[stream] = known if known and known.place == place and known.since_s <= now_s else Look(place, now_s)
    return found


def silent_h(settings: Settings) -> int:
    """Hours of silence after which a stream is ended; 0: never."""
    return min(settings.silent_h, HOURS_OF_A_DAY * settings.retention_days)


@dataclass(frozen=True, slots=True)
class Silence:
    """One round. `dry_run`: no stream is ended and nothing remembered, only told."""

    settings: Settings
    reader: Reader
    producer: Callable[[], Producer]
    dry_run: bool = False
    clock: Callable[[], float] = time.time

    def end(self) -> tuple[StreamId, ...]:
        """End the streams that fell silent; which they are."""
        after_s = silent_h(self.settings) * 3600
        if not after_s or STAGE.state.name not in self.reader.topics():
            return ()
        now_s, streams = self.clock(), self._open()
        looks = looked(self._remembered(), {_name(stream): last.place for stream, last in streams.items()}, now_s)
        silent = [stream for stream in streams if now_s - looks[_name(stream)].since_s >= after_s]
        unread = self._unread() if silent else {}
        over = tuple(stream for stream in silent if not self._waits(stream, unread[streams[stream].partition]))
        if not self.dry_run:
            self._push(over)
            self._remember(looks)
        return over

    def _open(self) -> dict[StreamId, Saved[FrameEncoder]]:
        """The streams that were not ended, as of the last message that the stage has handled."""
        return {StreamId(stream): last for stream, last in sorted(last_states(self.reader).items())
                if ASIDE not in stream and not last.state.broadcast.ended}  # fmt: skip

    def _unread(self) -> dict[int, Stretch]:
        """Partition → what the stage has still to read."""
        done = status.committed_offsets(self.settings, "", [STAGE.stage])[STAGE.stage]
        wholes = self.reader.stretches(SEGMENTS.name)
        return {whole.partition: whole.since(done.get(whole.partition, 0)) for whole in wholes}

    def _waits(self, stream: StreamId, unread: Stretch) -> bool:
        """Whether messages of it may wait to be read."""
        if unread.length > UNREAD_AT_MOST:
            return True
        return any(record.key == stream.encode() for record in self.reader.read([unread]))

    def _push(self, over: Sequence[StreamId]) -> None:
        if not over:
            return
        marks = last_marks(self.reader, over) if kept(self.reader) else {}
        with self.producer() as to:
            for stream in over:
                ended = StreamEnded(stream_id=stream, reason="idle")
                to.send(Envelope(ended, SOURCE, datetime.fromtimestamp(self.clock(), UTC)), SEGMENTS.name)
                to.settle()
                mark = marks.get(stream)
                if mark and not mark.ended:
                    KafkaMarks(to, mark).end(stream, ended.reason)

    @property
    def _file(self) -> Path:
        return self.settings.data / LOOKS

    def _remembered(self) -> dict[str, Look]:
        """Empty where nothing was remembered, or not as a whole: then silence begins now."""
        with suppress(OSError, ValueError, TypeError, AttributeError):
            return {stream: Look(**told) for stream, told in json.loads(self._file.read_text()).items()}
        return {}

    def _remember(self, looks: Mapping[str, Look]) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self._file, json.dumps({stream: asdict(look) for stream, look in looks.items()}))


def _name(stream: StreamId) -> str:
    """What stands for a stream in the file: one that is forgotten must not be named there."""
    return fingerprint(stream.encode())
