"""Questions of many partitions: each gets its own answer, whatever is asked beside it."""

import asyncio
import time
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from agents.frame_encoder import Look
from agents.matcher import Found, Matcher, Search
from agents.outcome import Fate, Outcome
from agents.product_encoder import Fused, Pair
from encoders.batcher import BatchPolicy
from encoders.engines import FRAMES_PER_CLIP, Floats, Unreadable
from infra.errors import DependencyDown
from infra.vectors import CatalogueRow
from schemas.embedding import Embedding
from schemas.ids import ProductId, StreamId, StreamMs
from schemas.match import Match
from schemas.observation import Said, Summary, Tokens, Visual
from schemas.product import Product, ProductDeleted
from schemas.reasons import Reason
from schemas.reference import Reference
from schemas.room import Room, RoomChanged
from streams.ask import Ask
from streams.searchable import embedded_elsewhere
from tests.agents.playing import Player, product, segment
from tests.fakes.engines import EMBEDDING_DIM, fake_engines, fake_media
from tests.fakes.stores import FakeObjects
from tests.fakes.vectors import MemoryVectors

pytestmark = pytest.mark.hermetic

STREAM = StreamId("room-7/monday")
LOOKS = ("red mug", "blue mug", "oak stool")


def real_ask(batch: int = 1) -> Ask:
    policies = {name: BatchPolicy(batch=batch) for name in ("vision", "fusion", "search")}
    return Ask(fake_engines(), FakeObjects(), MemoryVectors(), policies)


def embedding(vector: tuple[float, ...], space: str = "fake-space") -> Embedding:
    return Embedding(
        stream_id=STREAM, sequence=0, start_ms=StreamMs(0), end_ms=StreamMs(4_000), space=space, vector=vector,
        said=Said(), said_age_ms=0, said_at=None, heard="", frames_ms=(), evidence=None,
    )  # fmt: skip


class Counted(MemoryVectors):
    """Tells how often it was asked for the revision; slow, as a server is that answers at its next time tick."""

    asked = 0

    def revision(self) -> int:
        self.asked += 1
        time.sleep(0.02)
        return super().revision()


async def answers(ask: Ask) -> list[object]:
    """Everything that three partitions and a shelf may ask at the same moment."""
    for at, look in enumerate(LOOKS):
        await Player("catalog_encoder", ask, taken=at).take(product(look))
    seen = await asyncio.gather(*(ask.look(Look(segment(at, fake_media("", look)))) for at, look in enumerate(LOOKS)))
    fused = await asyncio.gather(*(ask.fuse(Pair(visual(each.tokens), silence())) for each in seen))
    shelves = [(), (ProductId("p-red-mug"),), (ProductId("p-blue-mug"), ProductId("p-oak-stool"))]
    found = await asyncio.gather(
        *(ask.search(Search(embedding(each.vector), shelf, 2)) for each in fused for shelf in shelves)
    )
    await ask.close()
    return [*seen, *fused, *found]


def visual(tokens: Tokens, tower: str = "fake-tower") -> Visual:
    return Visual(
        stream_id=STREAM, sequence=0, start_ms=StreamMs(0), end_ms=StreamMs(4_000), tower=tower, tokens=tokens
    )


def unpacked(tokens: Tokens) -> Floats:
    return np.frombuffer(tokens.float16, "<f2").reshape(tokens.shape).astype(np.float32)


def packed(tokens: Floats) -> Tokens:
    return Tokens(shape=tokens.shape, float16=tokens.astype("<f2").tobytes())


def silence() -> Summary:
    return Summary(stream_id=STREAM, sequence=0, start_ms=StreamMs(0), end_ms=StreamMs(4_000))


def test_answers_do_not_depend_on_what_shares_their_batch() -> None:
    assert asyncio.run(answers(real_ask(batch=4))) == asyncio.run(answers(real_ask()))


def test_a_search_asks_the_shelf_and_the_whole_catalogue() -> None:
    async def rows() -> tuple[list[str], list[str]]:
        ask = real_ask()
        for look in LOOKS:
            await Player("catalog_encoder", ask).take(product(look))
        seen = await ask.look(Look(segment(0, fake_media("", "red mug"))))
        fused = await ask.fuse(Pair(visual(seen.tokens), silence()))
        found = await ask.search(Search(embedding(fused.vector), (ProductId("p-oak-stool"),), 2))
        await ask.close()
        return [row.row for row in found.shelf], [row.row for row in found.rows][:1]

    assert asyncio.run(rows()) == (["p-oak-stool/page"], ["p-red-mug/page"])


def test_the_next_product_is_found_behind_any_number_of_rows_of_the_nearest() -> None:
    async def found() -> Found:
        ask = real_ask()
        for look in LOOKS:
            await Player("catalog_encoder", ask).take(product(look))
        seen = await ask.look(Look(segment(0, fake_media("", "red mug"))))
        fused = await ask.fuse(Pair(visual(seen.tokens), silence()))
        many = [
            CatalogueRow(f"p-red-mug/video/{number}", "p-red-mug", "video", "", fused.vector) for number in range(30)
        ]
        ask.vectors.replace_product("p-red-mug", many)
        answer = await ask.search(Search(embedding(fused.vector), (ProductId("p-red-mug"),), 20))
        await ask.close()
        return answer

    answer = asyncio.run(found())
    assert len({row.product_id for row in answer.rows}) > 1
    assert len(answer.shelf) == 30


def test_a_product_whose_link_number_was_said_is_found_behind_a_long_shelf() -> None:
    shelf = {link: ProductId(f"p-{link:02}") for link in range(1, 31)}

    async def found() -> Match:
        ask = real_ask()
        for link, name in shelf.items():
            score = 0.9 - link / 500  # the 30th is 0.058 behind the first
            vector = (score, (1 - score**2) ** 0.5, *[0.0] * 126)
            ask.vectors.replace_product(name, [CatalogueRow(f"{name}/page", name, "page", "", vector)])
        step = Matcher(STREAM)
        step.admit(RoomChanged(stream_id=STREAM, room=Room(revision=1, shelf=shelf)))
        said = Said(product_name="mug", links=(30,))
        due = step.admit(embedding((1.0, *[0.0] * 127)).model_copy(update={"said": said}))
        assert isinstance(due, Search)
        (match,) = step.settle(due, await ask.search(due)).events
        await ask.close()
        assert isinstance(match, Match)
        return match

    match = asyncio.run(found())
    assert [each.product_id for each in match.shown] == ["p-30"]
    assert match.runners_up[0].product_id == "p-01"


def test_the_frames_of_a_pair_are_the_same_whatever_is_said() -> None:
    async def fused() -> list[Fused]:
        ask = real_ask()
        seen = visual((await ask.look(Look(segment(0, fake_media("", "red mug"))))).tokens)
        mute = seen.model_copy(update={"tokens": None})
        told = silence().model_copy(update={"said": Said(product_name="red mug")})
        pairs = (Pair(seen, told), Pair(seen, silence()), Pair(mute, told))
        answers = [await ask.fuse(pair) for pair in pairs]
        await ask.close()
        return answers

    both, picture, words = asyncio.run(fused())
    assert both.vector != picture.vector
    assert both.glimpses == picture.glimpses
    assert words.glimpses is None


def test_each_frame_has_the_vector_of_a_clip_of_that_frame_alone() -> None:
    async def fused() -> tuple[Fused, list[Fused]]:
        ask = real_ask()
        tokens = (await ask.look(Look(segment(0, fake_media("", "red mug"))))).tokens
        frames = unpacked(tokens)[1:]
        still = [packed(np.stack([frame, frame])) for frame in frames]
        whole = await ask.fuse(Pair(visual(tokens), silence()))
        alone = [await ask.fuse(Pair(visual(each), silence())) for each in still]
        await ask.close()
        return whole, alone

    whole, alone = asyncio.run(fused())
    assert whole.glimpses is not None
    assert whole.glimpses.shape == (FRAMES_PER_CLIP, len(whole.vector))
    assert unpacked(whole.glimpses) == pytest.approx(np.array([each.vector for each in alone]), abs=1e-3)


def test_a_vector_of_another_space_and_tokens_of_another_tower_are_refused() -> None:
    async def reasons() -> list[Reason]:
        ask, found = real_ask(), list[Reason]()
        for question in (
            ask.search(Search(embedding((1.0,), "other"), (), 1)),
            ask.fuse(Pair(visual(Tokens(shape=(1,), float16=b"aa"), "other"), silence())),
        ):
            try:
                await question
            except Unreadable as refused:
                found.append(refused.reason)
        await ask.close()
        return found

    assert asyncio.run(reasons()) == [Reason.FOREIGN, Reason.FOREIGN]


@pytest.mark.parametrize(
    "foreign",
    [
        {"vector": (1.0,)},
        {"vector": (1.0, *[0.0] * 128)},
        {"vector": (float("nan"), *[0.0] * 127)},
        {"glimpses": Tokens(shape=(2, 3), float16=bytes(12))},
        {"glimpses": Tokens(shape=(128,), float16=bytes(256))},
        {"glimpses": Tokens(shape=(1, 128), float16=b"\0\x7c" * 128)},
    ],
)
def test_an_embedding_that_cannot_be_compared_is_a_letter_and_the_next_one_is_matched(
    foreign: dict[str, object],
) -> None:
    unit = embedding((1.0, *[0.0] * 127))

    async def outcomes() -> list[Outcome]:
        matcher = Player("matcher", real_ask())
        await Player("catalog_encoder", matcher.ask).take(product("red mug"))
        taken = [await matcher.take(unit.model_copy(update=foreign)), await matcher.take(after(unit))]
        await matcher.ask.close()
        return taken

    refused, next_one = asyncio.run(outcomes())
    assert (refused.fate, refused.reason, refused.instead) == (Fate.LETTER, Reason.FOREIGN, unit.segment)
    assert next_one.fate is Fate.USED


def after(event: Embedding) -> Embedding:
    return event.model_copy(update={"sequence": event.sequence + 1})


@pytest.mark.parametrize("shape", [(), (2, 3), (-1, -2)])
def test_tokens_are_as_many_as_their_shape_says(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValidationError):
        Tokens(shape=shape, float16=bytes(4))


def test_bytes_come_from_the_event_or_from_their_reference() -> None:
    async def fetched() -> tuple[bytes, bytes, list[Reason]]:
        ask, refused = real_ask(), list[Reason]()
        reference = ask.objects.put(b"kept")
        lost = Reference(dataref="memory:none", sha256="0" * 64, size_bytes=1)
        for missing in (None, lost):
            try:
                await ask.bytes_of(b"", missing)
            except Unreadable as error:
                refused.append(error.reason)
        both = await ask.bytes_of(b"inline", None), await ask.bytes_of(b"", reference)
        await ask.close()
        return (*both, refused)

    assert asyncio.run(fetched()) == (b"inline", b"kept", [Reason.EMPTY, Reason.MISSING])


def test_nothing_is_matched_with_half_a_catalogue() -> None:
    async def search(loaded_to: int) -> int:
        ask = real_ask()
        ask.catalogue_from = 2
        ask.vectors.set_revision(loaded_to)
        try:
            return (await ask.search(Search(embedding(()), (), 2))).revision
        finally:
            await ask.close()

    with pytest.raises(DependencyDown, match="up to 1, not yet up to 2") as behind:
        asyncio.run(search(1))
    assert "catalog load" not in behind.value.remedy
    with pytest.raises(DependencyDown) as empty:
        asyncio.run(search(-1))
    assert "after a change of models, vitrine catalog load" in empty.value.remedy
    assert asyncio.run(search(2)) == 2


def test_a_space_that_was_not_in_use_when_the_catalogue_changed_is_told_from_one_that_is_being_loaded() -> None:
    async def told(committed: int) -> str:
        ask = real_ask()
        ask.catalogue_from = 2
        ask.vectors.set_revision(1)
        ask.embedded_elsewhere = embedded_elsewhere(ask, lambda: committed)
        try:
            await ask.search(Search(embedding(()), (), 2))
        except DependencyDown as behind:
            return behind.remedy
        finally:
            await ask.close()
        return ""

    assert "was not in use when the catalogue changed: after a change of models, vitrine catalog load" in asyncio.run(
        told(3)
    )
    assert "catalog load" not in asyncio.run(told(2))


def test_who_asks_for_the_revision_at_the_same_moment_shares_one_answer() -> None:
    vectors = Counted()
    vectors.set_revision(7)

    async def many() -> list[Found]:
        ask = Ask(fake_engines(), FakeObjects(), vectors)
        found = await asyncio.gather(*(ask.search(Search(embedding(()), (), 2)) for _ in range(40)))
        await ask.close()
        return found

    assert asyncio.run(many()) == [Found((), (), 7)] * 40
    assert vectors.asked <= 3


def page(look: str) -> Product:
    """One product under ever other looks."""
    return product(look).model_copy(update={"product_id": ProductId("p"), "title": look})


async def titles(ask: Ask) -> set[str]:
    found = await ask.search(Search(embedding((1.0,) * EMBEDDING_DIM), (), 9))
    return {row.title for row in found.rows}


@pytest.mark.parametrize("newer", [page("blue mug"), ProductDeleted(product_id=ProductId("p"))])
def test_a_worker_that_was_frozen_puts_back_no_page_that_another_has_replaced(newer: Product | ProductDeleted) -> None:
    async def play() -> set[str]:
        now_s = [0.0]
        frozen = real_ask()
        frozen.overtaken.clock = lambda: now_s[0]
        other = replace(real_ask(), vectors=frozen.vectors)
        await Player("catalog_encoder", frozen, taken=99).take(page("oak stool"))
        now_s[0] += 20
        await Player("catalog_encoder", other, taken=100).take(page("red mug"))
        await Player("catalog_encoder", other, taken=101).take(newer)
        await Player("catalog_encoder", frozen, taken=100).take(page("red mug"))
        assert frozen.vectors.revision() == 101
        said = await titles(frozen)
        await Player("catalog_encoder", frozen, taken=102).take(page("green mug"))
        assert await titles(frozen) == {"green mug"}, "given the partition again it goes on"
        await asyncio.gather(frozen.close(), other.close())
        return said

    assert asyncio.run(play()) == ({newer.title} if isinstance(newer, Product) else set())


def test_a_catalogue_that_stayed_while_its_topic_was_made_anew_takes_what_comes() -> None:
    async def play() -> set[str]:
        ask = real_ask()
        ask.vectors.set_revision(1000)
        await Player("catalog_encoder", ask).take(page("red mug"))
        said = await titles(ask)
        await ask.close()
        return said

    assert asyncio.run(play()) == {"red mug"}


def test_whether_another_went_on_is_not_asked_for_each_product() -> None:
    async def play() -> int:
        ask = replace(real_ask(), vectors=(store := Counted()))
        for at, look in enumerate(LOOKS):
            await Player("catalog_encoder", ask, taken=at).take(product(look))
        await ask.close()
        return store.asked

    assert asyncio.run(play()) == 1
