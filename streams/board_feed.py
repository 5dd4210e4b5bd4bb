"""Kafka → the board: threads that read what comes, for as long as the page is served.

What one would get wrong: a page stays open over an outage. A thread that loses Kafka says so, comes back by itself, and
reads from a little before where it was: what it meets again is known by its id.
"""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from infra.errors import InfraError
from infra.settings import Settings
from streams import reading
from streams.board import Board, News
from streams.deadletters import light, read_letter
from streams.envelope import Record
from streams.reading import Reader
from streams.topology import DEADLETTERS, MATCHES, PRODUCTS, topic_name
from streams.watch import Once, Watcher

ASKED_EVERY_S = 2.0
"""Where nothing comes: whether the broker is there."""
ANSWERS_WITHIN_MS = 4_000
"""A broker that has not answered that counts as away; where it was only slow, it is back at once."""
ENDS_WITHIN_S = 2.0
"""A thread that waits for a broker that says nothing ends with the process."""
OVERLAP_MS = 60_000
"""The clocks of two brokers differ by less."""


@dataclass(slots=True)
class Feed:
    """A board that is kept up to date, from :meth:`start` to :meth:`stop`."""

    settings: Settings
    run: str = ""
    stream: str | None = None
    """None: all streams."""
    again_after_s: float = 2.0
    """So long after a failure it is tried again."""
    over: threading.Event = field(default_factory=threading.Event)
    _board: Board = field(default_factory=Board)
    _pages: dict[str, str] = field(default_factory=dict)
    """Product → where its page lies on Kafka: a catalogue is too large to be kept here."""
    _began_ms: int = 0
    _catalogue_behind: bool = True
    """Whether products are still to be read that were there when this began."""
    _away: dict[str, str] = field(default_factory=dict)
    """Topic → why it cannot be read now; empty: it can."""
    _changed: threading.Condition = field(default_factory=threading.Condition)
    """Guards all of this."""
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self, since_ms: int) -> None:
        """Read what was written since then (epoch ms), and then what comes; of the catalogue everything."""
        watcher, letters = Watcher(self.stream), Once()
        self._began_ms = round(time.time() * 1000)

        def match(record: Record) -> None:
            for shown in watcher.fresh([record]):
                if shown:
                    self._board.show(shown)

        def letter(record: Record) -> None:
            read = light(read_letter(record))
            if self.stream in (None, read.stream) and letters.first_time(read.name):
                self._board.show_letter(read)

        self._begin(topic_name(MATCHES, self.run), match, since_ms)
        self._begin(topic_name(DEADLETTERS, self.run), letter, since_ms)
        self._begin(PRODUCTS.name, self._page, 0)

    def stop(self) -> None:
        """End the threads, and let go whoever waits for news."""
        until_s = time.monotonic() + ENDS_WITHIN_S
        self.over.set()
        with self._changed:
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(max(0.0, until_s - time.monotonic()))

    def news(self, after: int, said: str | None, within_s: float) -> tuple[list[News], str]:
        """What is newer than the piece of this number, and what is to be said of a Kafka that is away, if it is: when
        there is something newer, or that is not what was `said` already; at the latest after so long."""
        with self._changed:
            self._changed.wait_for(
                lambda: self.over.is_set() or self._board.newest > after or self._says() != said, within_s
            )
            return self._board.after(after), self._says()

    def _says(self) -> str:
        return self._dead() or next(filter(None, self._away.values()), "")

    def _dead(self) -> str:
        """A bug ended the reading of a topic: what it was, Python printed."""
        dead = [thread.name for thread in self._threads if not (thread.is_alive() or self.over.is_set())]
        return f"{dead[0]} is no longer read: the terminal of vitrine board says why; start it again" if dead else ""

    def find(self, number: int) -> News | None:
        """The piece of news of this number; None where it is no longer kept."""
        with self._changed:
            return self._board.find(number)

    @property
    def catalogue_behind(self) -> bool:
        """Whether the catalogue is still being read, so that pages of products are missing."""
        with self._changed:
            return self._catalogue_behind

    def page(self, product_id: str) -> str | None:
        """Where the page of a product lies; None: there is none, as far as the catalogue has been read."""
        with self._changed:
            return self._pages.get(product_id)

    def _page(self, record: Record) -> None:
        product = (record.key or b"").decode(errors="replace")
        if record.value is None:
            self._pages.pop(product, None)
        else:
            self._pages[product] = record.position

    def _begin(self, topic: str, take: Callable[[Record], None], since_ms: int) -> None:
        thread = threading.Thread(target=self._follow, args=(topic, take, since_ms), name=topic, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _follow(self, topic: str, take: Callable[[Record], None], since_ms: int) -> None:
        while not self.over.is_set():
            try:
                with reading.connect(self.settings) as reader:
                    for record in self._answered(reader, topic, since_ms):
                        self._tell(topic)
                        if topic == PRODUCTS.name and (record is None or record.timestamp_ms >= self._began_ms):
                            self._caught_up()
                        if record:
                            self._take(record, take)
                            told_ms = min(record.timestamp_ms, round(time.time() * 1000))  # a clock may be ahead
                            since_ms = max(since_ms, told_ms - OVERLAP_MS)
            except InfraError as gone:
                self._tell(topic, gone.what)
                self.over.wait(self.again_after_s)

    def _answered(self, reader: Reader, topic: str, since_ms: int) -> Iterator[Record | None]:
        """What comes until it is over, and None where nothing does. Raises `InfraError` when the broker is gone: to
        whoever only waits for records Kafka's client says no word of that."""
        asked_s = time.monotonic()
        for record in reader.follow(topic, since_ms=since_ms):
            if self.over.is_set():
                return
            yield record
            if record is None and time.monotonic() - asked_s > ASKED_EVERY_S:
                reader.refuse_silence(topic, ANSWERS_WITHIN_MS)
                asked_s = time.monotonic()

    def _take(self, record: Record, take: Callable[[Record], None]) -> None:
        with self._changed:
            before = self._board.newest
            take(record)
            if self._board.newest != before:  # a product is no news, and there may be a hundred thousand
                self._changed.notify_all()

    def _caught_up(self) -> None:
        with self._changed:
            self._catalogue_behind = False

    def _tell(self, topic: str, gone: str = "") -> None:
        with self._changed:
            if gone != self._away.get(topic, ""):
                self._away[topic] = gone
                self._changed.notify_all()
