"""What a step asks of the models and stores: every question of the flow, each one asynchronous line.

Each engine stands behind a lane, which merges what the partitions ask at the same moment and runs it off the event
loop. Two kinds of failure come out of here: `Unreadable`, when what was asked about is at fault (a gap or a dead
letter), and `DependencyDown` or `Overloaded`, when it is not (the delivery layer waits and asks again).
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

import numpy as np
from pydantic import TypeAdapter

from agents.catalog_encoder import Replace, View, ViewRow
from agents.frame_encoder import Look, Seen
from agents.matcher import Found, Row, Search, unlike
from agents.product_encoder import Fused, Pair, Parked
from agents.transcriber import Hear
from encoders.batcher import BatchPolicy, MicroBatcher
from encoders.engines import Clip, Domain, Floats, Frames, FusionInput, Heard, Unreadable
from encoders.loaded import LoadedEngines
from encoders.media import central, contact_sheet
from infra.errors import DependencyDown
from infra.objects import Refused
from infra.vectors import NO_REVISION, CatalogueRow, LiveRow, VectorStore
from schemas.embedding import Embedding
from schemas.ids import ProductId
from schemas.observation import Said, Summary, Tokens, Visual
from schemas.product import Picture, Product
from schemas.reasons import Reason
from schemas.reference import Reference
from schemas.segment import Segment
from streams.overtaken import Overtaken
from streams.said import question

log = logging.getLogger(__name__)

STORES = ("vectors", "revision", "objects")
"""The lanes that are no model's: they are asked also for a message that has ended the process too often."""
SHARED = {"revision": BatchPolicy(batch=64)}
"""One answer serves all who wait for it: a server gives it after its next time tick, 200 ms on Milvus 2.3.5."""
MORE_ROWS = 4
"""By this factor a search is widened for as long as all its rows are of one product."""
HALF: TypeAdapter[Visual | Summary] = TypeAdapter(Visual | Summary)
"""Which one it is follows from its fields: each refuses the other's."""

Q = TypeVar("Q")
A = TypeVar("A")


class Objects(Protocol):
    """The object store."""

    def put(self, data: bytes) -> Reference:
        """Keep these bytes; the same bytes give the same reference. Raises `DependencyDown`."""

    def get(self, reference: Reference) -> bytes:
        """The bytes, checked against their sha256 and size. Raises `infra.objects.Refused`, `DependencyDown`."""

    def named(self, sha256: str, size_bytes: int) -> Reference:
        """The reference that `put` gave for the bytes of this sha256 and size."""


@dataclass(frozen=True, slots=True)
class Near:
    """Ask for the catalogue rows nearest to a vector."""

    vector: tuple[float, ...]
    rows: int
    shelf: tuple[ProductId, ...] | None
    """Only of these products; None: of all."""


@dataclass
class Ask:
    """The models of one profile and the stores of one run. Used from one event loop."""

    engines: LoadedEngines
    objects: Objects
    vectors: VectorStore
    batches: Mapping[str, BatchPolicy] = field(default_factory=dict)
    """By the name of the lane; one question a call where none is given."""
    on_seconds: Callable[[str, float, int], None] | None = None
    """Told after each call: lane, seconds, questions."""
    catalogue_from: int = -1
    """The catalogue's revision from which on a match may be made: nothing is matched with half a catalogue."""
    embedded_elsewhere: bool = False
    """What the space lacks of the catalogue was embedded in another space, and does not come by itself."""
    sparing: bool = False
    """No model is asked: whatever needs one is unreadable (`Crashed`)."""
    on_answer: Callable[[], None] | None = None
    """Told of each answer, also of a refusal: one message may need many."""
    overtaken: Overtaken = field(default_factory=Overtaken)

    def __post_init__(self) -> None:
        engines = self.engines
        self._calls = {
            name: self._batcher(name, _each) for name in ("media", "speech", "language", "vectors", "objects")
        }
        self._vision: MicroBatcher[Frames, Floats] = self._batcher("vision", engines.vision.encode)
        self._fusion: MicroBatcher[FusionInput, Floats] = self._batcher("fusion", engines.fusion.embed)
        self._search: MicroBatcher[Near, tuple[Row, ...]] = self._batcher("search", self._searched)
        self._revision: MicroBatcher[None, int] = self._batcher("revision", self._revised)

    async def sound(self, segment: Segment) -> bytes:
        """The segment's sound, int16 mono PCM at 16 kHz. Raises `Unreadable`."""
        media = await self.bytes_of(segment.media, segment.reference)
        return await self._call("media", lambda: self.engines.media.audio(media), len(media))

    async def hear(self, due: Hear) -> Heard:
        """The words in a sound."""
        pcm, told = due.sound.pcm, (due.language, due.final, due.hotwords)
        return await self._call("speech", lambda: self.engines.speech.hear(pcm, *told), len(pcm))

    async def complete(self, prompt: str) -> str:
        """What the language model answers to the window."""
        return await self._call("language", lambda: self.engines.language.complete(prompt))

    async def look(self, due: Look) -> Seen:
        """The segment's visual tokens, and a picture of what was seen, stored. Raises `Unreadable`."""
        media = await self.bytes_of(due.segment.media, due.segment.reference)
        clip = await self._call("media", lambda: self.engines.media.clip(media), len(media))
        clip = _of_fewer(clip, due.frames) if due.frames else clip
        tokens = await self._ask(self._vision, clip.frames, clip.frames.nbytes)
        evidence = await self._call("objects", lambda: self.objects.put(contact_sheet(clip)))
        return Seen(self.engines.vision.name, _packed(tokens), clip.at_ms, evidence)

    async def keep(self, segment: Segment) -> Reference | None:
        """Where the bytes of an unreadable segment can be had while its dead letter lives; None: it has none."""
        if segment.reference or not segment.media:
            return segment.reference
        return await self.put_aside(segment.media)

    async def put_aside(self, data: bytes) -> Reference:
        """Keep bytes that a message has no room for."""
        return await self._call("objects", lambda: self.objects.put(data), len(data))

    async def park(self, half: Visual | Summary) -> Reference:
        """Keep a half outside of a snapshot."""
        return await self.put_aside(half.value())

    async def fetch(self, parked: Parked) -> Visual | Summary:
        """A half that was parked. Raises `Unreadable` where it is gone."""
        reference = self.objects.named(parked.sha256, parked.size_bytes)
        return HALF.validate_json(await self.bytes_of(b"", reference))

    async def fuse(self, pair: Pair) -> Fused:
        """The pair's embedding, and those of its frames, each alone.

        Raises `Unreadable` for tokens of a tower that the network does not read.
        """
        if pair.tokens and pair.visual.tower != self.engines.fusion.tower:
            detail = f"tokens of {pair.visual.tower!r}; the network reads {self.engines.fusion.tower!r}"
            raise Unreadable(Reason.FOREIGN, detail)
        visual = _unpacked(pair.tokens) if pair.tokens else None
        whole = self._embed(FusionInput(Domain.LIVE, visual, pair.text))
        if visual is None:
            return await whole
        fused, glimpses = await asyncio.gather(whole, self._glimpses(visual))
        return replace(fused, glimpses=glimpses)

    async def remember(self, embedding: Embedding) -> None:
        """Upsert a live row; an embedding without a vector has none."""
        if embedding.vector:
            name, stream = embedding.segment_id, embedding.stream_id
            row = LiveRow(name, stream, embedding.sequence, embedding.start_ms, embedding.vector)
            await self._call("vectors", lambda: self.vectors.put_live((row,)))

    async def search(self, due: Search) -> Found:
        """The rows nearest to an embedding on the shelf, and in the whole catalogue.

        Raises `Unreadable` for an embedding that is none of the catalogue's space.
        """
        embedding, ours = due.embedding, self.engines.fusion.space
        revision = await self._ask(self._revision, None)
        if revision < self.catalogue_from:
            remedy = "a worker with the stage catalog_encoder must run"
            if revision == NO_REVISION or self.embedded_elsewhere:
                lacks = "is empty" if revision == NO_REVISION else "was not in use when the catalogue changed"
                remedy += f"; the space {ours} {lacks}: after a change of models, vitrine catalog load FILE"
            raise DependencyDown(
                f"the catalogue is loaded up to {revision}, not yet up to {self.catalogue_from}, its end when this "
                "worker began",
                remedy=remedy,
            )
        if not embedding.vector:
            return Found((), (), revision)
        if foreign := unlike(embedding, ours, self.engines.fusion.dim):
            raise Unreadable(Reason.FOREIGN, foreign)
        everywhere = self._nearest(Near(embedding.vector, due.rows, None))
        if not due.shelf:
            return Found((), await everywhere, revision)
        on_shelf = self._nearest(Near(embedding.vector, due.rows, due.shelf))
        near, rows = await asyncio.gather(on_shelf, everywhere)
        if due.named and due.named not in {row.product_id for row in near}:
            near += await self._ask(self._search, Near(embedding.vector, due.rows, (due.named,)))
        return Found(near, rows, revision)

    async def _nearest(self, near: Near) -> tuple[Row, ...]:
        """More rows than asked for where all of them are of one product."""
        rows = await self._ask(self._search, near)
        while hides_the_next(rows, near.rows):
            near = replace(near, rows=MORE_ROWS * near.rows)
            rows = await self._ask(self._search, near)
        return rows

    async def page(self, view: View) -> tuple[float, ...]:
        """The vector of a product page. Raises `Unreadable` for its image."""
        tokens = None
        if view.picture:
            picture = await self.bytes_of(view.picture.data, view.picture.reference)
            frames = await self._call("media", lambda: self.engines.media.image(picture), len(picture))
            tokens = await self._ask(self._vision, frames, frames.nbytes)
        return (await self._embed(FusionInput(Domain.PAGE, tokens, view.title or None))).vector

    async def video(self, video: Picture) -> tuple[float, ...]:
        """The vector of a short video: its frames, and what its speech says. Raises `Unreadable` for its frames."""
        media = await self.bytes_of(video.data, video.reference)
        clip = await self._call("media", lambda: self.engines.media.clip(media), len(media))
        tokens = await self._ask(self._vision, clip.frames, clip.frames.nbytes)
        said = await self._said_in(media)
        return (await self._embed(FusionInput(Domain.VIDEO, tokens, said.text or None))).vector

    async def store(self, due: Replace, offset: int) -> None:
        """Make these all the rows of a product, unless another worker has come beyond this offset meanwhile."""
        rows = [] if due.product is None else [_catalogue_row(due.product, row) for row in due.rows]

        def write() -> None:
            if self.overtaken.at(offset, self.vectors.revision):
                log.warning("not stored: another worker went on with the catalogue meanwhile",
                            extra={"product": due.product_id, "offset": offset})  # fmt: skip
            else:
                self.vectors.replace_product(due.product_id, rows)

        await self._call("vectors", write)

    async def record_revision(self, offset: int) -> None:
        """The catalogue is loaded up to this offset."""
        await self._call("vectors", lambda: self.vectors.set_revision(offset))
        self.overtaken.recorded(offset)

    async def bytes_of(self, inline: bytes, reference: Reference | None) -> bytes:
        """The bytes of an event, wherever they lie. Raises `Unreadable`."""
        if inline:
            return inline
        if reference is None:
            raise Unreadable(Reason.EMPTY, "neither bytes nor a reference to them")
        try:
            return await self._call("objects", lambda: self.objects.get(reference))
        except Refused as refused:
            raise Unreadable(refused.reason, refused.what) from refused

    async def _said_in(self, media: bytes) -> Said:
        """What the speech of a whole video says of a product; nothing where it has no sound."""
        try:
            pcm = await self._call("media", lambda: self.engines.media.audio(media), len(media))
        except Unreadable:
            return Said()
        heard = await self._call("speech", lambda: self.engines.speech.hear(pcm, None, True), len(pcm))
        due = question(heard, Domain.VIDEO)
        return due.settle(await self.complete(due.window)) if due else Said()

    async def _glimpses(self, visual: Floats) -> Tokens:
        """The vector of each frame, as of a clip of that frame alone; of the clip, where it has no tokens of frames.

        The first token is the whole clip's.
        """
        alone = [np.stack([frame, frame]) for frame in visual[1:]] or [visual]
        seen = await asyncio.gather(*(self._embed(FusionInput(Domain.LIVE, each, None)) for each in alone))
        return _packed(np.array([each.vector for each in seen], np.float32))

    async def _embed(self, view: FusionInput) -> Fused:
        floats = await self._ask(self._fusion, view)
        return Fused(self.engines.fusion.space, tuple(float(number) for number in floats))

    def spared(self) -> "Ask":
        """The same stores, no models: for a message that has ended the process too often to be tried again."""
        twin = copy(self)
        twin.sparing = True
        return twin

    def followed(self, on_answer: Callable[[], None]) -> "Ask":
        """The same, that tells of each answer."""
        twin = copy(self)
        twin.on_answer = on_answer
        return twin

    async def close(self) -> None:
        """Refuse what waits, finish what runs."""
        lanes: list[MicroBatcher[Any, Any]] = [*self._calls.values(), self._vision, self._fusion]
        lanes += [self._search, self._revision]
        for lane in lanes:
            await lane.close()

    async def _call(self, name: str, call: Callable[[], A], size_bytes: int = 0) -> A:
        """One call of an engine that takes no batches."""
        answer: A = await self._ask(self._calls[name], call, size_bytes)
        return answer

    async def _ask(self, lane: MicroBatcher[Q, A], question: Q, size_bytes: int = 0) -> A:
        if self.sparing and lane.name not in STORES:
            raise Unreadable(Reason.CRASHED, "the process ended each time that this was tried")
        try:
            return await self._answer(lane, question, size_bytes)
        finally:
            if self.on_answer:
                self.on_answer()

    async def _answer(self, lane: MicroBatcher[Q, A], question: Q, size_bytes: int) -> A:
        return await lane.ask(question, size_bytes)

    def _batcher(self, name: str, answer_all: Callable[[Sequence[Q]], Sequence[A]]) -> MicroBatcher[Q, A]:
        policy = self.batches.get(name) or SHARED.get(name, BatchPolicy())
        return MicroBatcher(name, answer_all, policy, self.on_seconds)

    def _revised(self, asked: Sequence[None]) -> list[int]:
        """Read when all who ask have asked, so that it is new enough for each."""
        return [self.vectors.revision()] * len(asked)

    def _searched(self, questions: Sequence[Near]) -> list[tuple[Row, ...]]:
        """Those that look at the same products share one call of the store."""
        answers: dict[int, tuple[Row, ...]] = {}
        groups: dict[tuple[int, tuple[ProductId, ...] | None], list[int]] = {}
        for at, near in enumerate(questions):
            groups.setdefault((near.rows, near.shelf), []).append(at)
        for (rows, shelf), members in groups.items():
            found = self.vectors.search([questions[at].vector for at in members], rows, shelf)
            answers.update({at: tuple(map(proposed, each)) for at, each in zip(members, found, strict=True)})
        return [answers[at] for at in range(len(questions))]


def _of_fewer(clip: Clip, frames: int) -> Clip:
    """Those frames of a clip that stand at the centres of as many equal parts."""
    at = central(len(clip.frames), frames)
    return Clip(clip.frames[at], tuple(clip.at_ms[each] for each in at))


def _each(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """Engines that answer one question at a time."""
    return [call() for call in calls]


def _catalogue_row(product: Product, row: ViewRow) -> CatalogueRow:
    return CatalogueRow(row.row, product.product_id, row.kind, product.title, row.vector, product.restricted)


def hides_the_next(rows: Sequence[Row], asked: int) -> bool:
    """Whether there may be more rows than those asked for, which are all of one product: a match needs the next one."""
    return len(rows) == asked and len({row.product_id for row in rows}) == 1


def proposed(row: CatalogueRow) -> Row:
    """A row of the store as the matcher scores it."""
    return Row(row.row, ProductId(row.product_id), row.title, row.vector, row.restricted)


def _packed(tokens: Floats) -> Tokens:
    return Tokens(shape=tokens.shape, float16=tokens.astype("<f2").tobytes())


def _unpacked(tokens: Tokens) -> Floats:
    return np.frombuffer(tokens.float16, "<f2").reshape(tokens.shape).astype(np.float32)
