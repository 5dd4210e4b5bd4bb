"""What a step asks of the models and stores: every question of the flow, each one asynchronous line.

Each engine stands behind a lane, which merges what the partitions ask at the same moment and runs it off the event
loop. Two kinds of failure come out of here: `Unreadable`, when what was asked about is at fault (a gap or a dead
letter), and `DependencyDown` or `Overloaded`, when it is not (the delivery layer waits and asks again).
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from agents.catalog_encoder import Page
from agents.frame_encoder import Seen
from agents.matcher import Found, Row, Search
from agents.product_encoder import Fused, Pair
from agents.transcriber import Hear
from encoders.engines import Domain, Floats, FusionInput, Heard, Unreadable
from encoders.loaded import LoadedEngines
from encoders.media import contact_sheet
from infra.objects import Refused
from infra.vectors import CatalogueRow, LiveRow, VectorStore
from schemas.embedding import Embedding
from schemas.ids import ProductId, segment_id
from schemas.observation import Tokens
from schemas.reasons import Reason
from schemas.reference import Reference
from schemas.segment import Segment

A = TypeVar("A")


class Objects(Protocol):
    """The object store."""

    def put(self, data: bytes) -> Reference:
        """Keep these bytes; the same bytes give the same reference. Raises `DependencyDown`."""

    def get(self, reference: Reference) -> bytes:
        """The bytes, checked against their sha256 and size. Raises `infra.objects.Refused`, `DependencyDown`."""


@dataclass
class Ask:
    """The models of one profile and the stores of one run."""

    engines: LoadedEngines
    objects: Objects
    vectors: VectorStore

    def __post_init__(self) -> None:
        self._lanes = {
            name: asyncio.Lock() for name in ("media", "speech", "language", "vision", "fusion", "vectors", "objects")
        }

    async def sound(self, segment: Segment) -> bytes:
        """The segment's sound, int16 mono PCM at 16 kHz. Raises `Unreadable`."""
        media = await self.bytes_of(segment.media, segment.reference)
        return await self._lane("media", lambda: self.engines.media.audio(media))

    async def hear(self, due: Hear) -> Heard:
        """The words in a sound."""
        return await self._lane("speech", lambda: self.engines.speech.hear(due.sound.pcm, due.language, due.final))

    async def complete(self, prompt: str) -> str:
        """What the language model answers to the window."""
        return await self._lane("language", lambda: self.engines.language.complete(prompt))

    async def look(self, segment: Segment) -> Seen:
        """The segment's visual tokens, and a picture of what was seen, stored. Raises `Unreadable`."""
        media = await self.bytes_of(segment.media, segment.reference)
        clip = await self._lane("media", lambda: self.engines.media.clip(media))
        tokens = await self._lane("vision", lambda: self.engines.vision.encode([clip.frames])[0])
        evidence = await self._lane("objects", lambda: self.objects.put(contact_sheet(clip)))
        return Seen(self.engines.vision.name, _packed(tokens), clip.at_ms, evidence)

    async def keep(self, segment: Segment) -> Reference | None:
        """Where the bytes of an unreadable segment can be had while its dead letter lives; None: it has none."""
        if segment.reference or not segment.media:
            return segment.reference
        return await self._lane("objects", lambda: self.objects.put(segment.media))

    async def fuse(self, pair: Pair) -> Fused:
        """The pair's embedding. Raises `Unreadable` for tokens of a tower that the network does not read."""
        if pair.tokens and pair.visual.tower != self.engines.fusion.tower:
            detail = f"tokens of {pair.visual.tower!r}; the network reads {self.engines.fusion.tower!r}"
            raise Unreadable(Reason.FOREIGN, detail)
        visual = _unpacked(pair.tokens) if pair.tokens else None
        return await self._embed(FusionInput(Domain.LIVE, visual, pair.text))

    async def remember(self, embedding: Embedding) -> None:
        """Upsert a live row; one without a vector has none."""
        if embedding.vector:
            row = LiveRow(
                segment_id(embedding.stream_id, embedding.sequence),
                embedding.stream_id,
                embedding.sequence,
                embedding.start_ms,
                embedding.vector,
            )
            await self._lane("vectors", lambda: self.vectors.put_live((row,)))

    async def search(self, due: Search) -> Found:
        """The rows nearest to an embedding on the shelf, and in the whole catalogue.

        Raises `Unreadable` for an embedding of another space than the catalogue's.
        """
        embedding, ours = due.embedding, self.engines.fusion.space
        revision = await self._lane("vectors", self.vectors.revision)
        if not embedding.vector:
            return Found((), revision)
        if embedding.space != ours:
            raise Unreadable(Reason.FOREIGN, f"a vector of the space {embedding.space!r}; the catalogue is in {ours!r}")
        near = await self._nearest(due, due.shelf) if due.shelf else ()
        return Found((*near, *await self._nearest(due, None)), revision)

    async def _nearest(self, due: Search, shelf: Sequence[ProductId] | None) -> tuple[Row, ...]:
        query = (due.embedding.vector,)
        (rows,) = await self._lane("vectors", lambda: self.vectors.search(query, due.rows, shelf))
        return tuple(Row(row.row, ProductId(row.product_id), row.title, row.vector, row.restricted) for row in rows)

    async def list_page(self, due: Page) -> None:
        """Embed a product page and make it the product's row. Raises `Unreadable` for its image."""
        tokens = None
        if due.image:
            picture = await self.bytes_of(due.image.data, due.image.reference)
            frames = await self._lane("media", lambda: self.engines.media.image(picture))
            tokens = await self._lane("vision", lambda: self.engines.vision.encode([frames])[0])
        fused = await self._embed(FusionInput(Domain.PAGE, tokens, due.text or None))
        product = due.product
        row = CatalogueRow(
            due.row, product.product_id, Domain.PAGE, product.title, fused.vector, restricted=product.restricted
        )
        await self._lane("vectors", lambda: self.vectors.replace_product(product.product_id, (row,)))

    async def unlist(self, product_id: ProductId) -> None:
        """Delete all rows of a product."""
        await self._lane("vectors", lambda: self.vectors.replace_product(product_id, ()))

    async def record_revision(self, offset: int) -> None:
        """The catalogue is loaded up to this offset."""
        await self._lane("vectors", lambda: self.vectors.set_revision(offset))

    async def bytes_of(self, inline: bytes, reference: Reference | None) -> bytes:
        """The bytes of an event, wherever they lie. Raises `Unreadable`."""
        if inline:
            return inline
        if reference is None:
            raise Unreadable(Reason.EMPTY, "neither bytes nor a reference to them")
        try:
            return await self._lane("objects", lambda: self.objects.get(reference))
        except Refused as refused:
            raise Unreadable(refused.reason, refused.what) from refused

    async def _embed(self, view: FusionInput) -> Fused:
        floats = await self._lane("fusion", lambda: self.engines.fusion.embed([view])[0])
        return Fused(self.engines.fusion.space, tuple(float(number) for number in floats))

    async def _lane(self, name: str, call: Callable[[], A]) -> A:
        """One call of an engine at a time, off the event loop."""
        async with self._lanes[name]:
            return await asyncio.to_thread(call)


def _packed(tokens: Floats) -> Tokens:
    return Tokens(shape=tokens.shape, float16=tokens.astype("<f2").tobytes())


def _unpacked(tokens: Tokens) -> Floats:
    return np.frombuffer(tokens.float16, "<f2").reshape(tokens.shape).astype(np.float32)
