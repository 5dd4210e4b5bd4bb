"""a piece of news on the page → its frame, its lineage; a product → the picture of its page: read when asked for."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from infra.errors import InfraError, NotRunning
from infra.objects import ObjectStore
from infra.settings import Settings
from schemas.product import Product
from streams import reading, why
from streams.board import News
from streams.board_feed import ENDS_WITHIN_S, Feed
from streams.envelope import Envelope
from streams.pictures import MAX_BYTES
from streams.reading import Reader, understood

TURN_WITHIN_S = 5.0
"""A question takes milliseconds; where Kafka says nothing, a quarter of a minute, and so for each that waits."""


class NothingThere(InfraError):
    """What a page asked for is not kept, or never was."""


@dataclass(slots=True)
class Lookup:
    """Answers one question at a time, over one connection; every method raises `InfraError` where that fails."""

    settings: Settings
    feed: Feed
    _reader: Reader | None = None
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    def evidence(self, number: int) -> bytes:
        """The frame that was looked at. Raises `NothingThere`."""
        news = self._match(number)
        if news.evidence is None:
            raise NothingThere("no picture was kept of this segment")
        return self._objects.get(news.evidence, MAX_BYTES)

    def why(self, number: int) -> str:
        """How a match came about. Raises `NothingThere`."""
        news = self._match(number)
        with self._connected() as reader:
            lineage = why.find_at(reader, news.position)
        if lineage.match.segment_id != news.told["segment"]:
            raise NothingThere("another answer lies in its place: its topic was made anew")
        return why.why(lineage)

    def picture(self, product_id: str) -> bytes:
        """The main picture of a product's page. Raises `NothingThere`."""
        product = self._product(product_id)
        if product is None or not product.images:
            raise NothingThere("no such product is in the catalogue now, or its page has no picture")
        main = product.images[0]
        return self._objects.get(main.reference, MAX_BYTES) if main.reference else main.data

    def close(self) -> None:
        """Let go of the connection; one that is being waited for ends with the process."""
        if self._one_at_a_time.acquire(timeout=ENDS_WITHIN_S):
            self._drop()
            self._one_at_a_time.release()

    @property
    def _objects(self) -> ObjectStore:
        """What the stages read: a platform's products may refer to its own pictures."""
        return ObjectStore(self.settings.objects, self.settings.dataref_roots)

    def _match(self, number: int) -> News:
        news = self.feed.find(number)
        if news is None or not news.position:
            raise NothingThere("this answer is no longer kept here")
        return news

    def _product(self, product_id: str) -> Product | None:
        position = self.feed.page(product_id)
        if position is None:
            return None
        with self._connected() as reader:
            record = reader.at(position)
        found = understood(record) if record else None
        event = found.event if isinstance(found, Envelope) else None
        return event if isinstance(event, Product) and event.product_id == product_id else None

    @contextmanager
    def _connected(self) -> Iterator[Reader]:
        if not self._one_at_a_time.acquire(timeout=TURN_WITHIN_S):
            raise NotRunning("Kafka lets whoever asked before wait for an answer", remedy="vitrine doctor")
        try:
            self._reader = self._reader or reading.connect(self.settings)
            yield self._reader
        except InfraError:
            self._drop()
            raise
        finally:
            self._one_at_a_time.release()

    def _drop(self) -> None:
        reader, self._reader = self._reader, None
        if reader:
            reader.close()
