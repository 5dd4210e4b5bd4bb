"""One synthetic minute, stage by stage: each file is what one stage published and the next one reads.

    1-segments → 2-transcripts → 3-observations → 4-embeddings → 5-matches

Run ``python -m tests.golden.minute`` after a change that is meant, and read the difference before it is committed.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from agents.outcome import Outcome
from schemas.event import Event
from schemas.ids import ProductId, StreamId, StreamMs
from schemas.product import Picture, Product
from schemas.room import Room, RoomChanged, StreamEnded
from schemas.segment import Segment
from streams.envelope import JSON_EVENTS
from tests.agents.playing import InlineAsk, Player, interleaved
from tests.fakes.engines import Spoken, fake_media, fake_picture, spoken
from tests.fakes.vectors import MemoryVectors
from tests.golden.models import Objects, golden_engines

FOLDER = Path(__file__).parent
FILES = ("1-segments", "2-transcripts", "3-observations", "4-embeddings", "5-matches")
STREAM = StreamId("room-7/golden")
SEGMENT_MS = 4_000
CATALOGUE = ("red mug", "blue mug", "oak stool", "wool hat")
KINDS = {kind.ce_type: kind for kind in JSON_EVENTS}

Line = tuple[Event, str]
"""An event and the stage that it is from."""


def story() -> Iterator[Event]:
    """What happens in the minute."""
    cut = "the next one is here is blue mug now"  # "blue" lies on the border of 5 and 6
    yield _room(1, "red mug", "blue mug")
    yield _segment(0, "hello everyone welcome", "table")
    yield _segment(1, "here is red mug with leak proof now", "red mug")
    yield _segment(2, "it is link number one", "red mug")
    yield _segment(3, None, "red mug")
    yield _raw(4, b"neither sound nor picture")
    yield _segment(5, cut, "blue mug", 2_400)
    yield _segment(6, cut, "blue mug", 2_400 - SEGMENT_MS)
    yield _segment(8, "so nice", "blue mug")
    yield _segment(7, "here is oak stool now", "blue mug")
    yield _segment(8, "so nice", "blue mug")
    yield _room(2, "red mug", "oak stool")
    yield _segment(9, "link number two here is oak stool now", "oak stool")
    yield _segment(10, "the next one is here is wool hat now", "wool hat")
    yield _segment(11, "", "wool hat")
    yield _segment(12, "here is wool hat now", None)
    yield _segment(13, "thank you all", "table")
    yield _segment(14, "see you tomorrow", "table", 3_300)
    yield StreamEnded(stream_id=STREAM)


def play(stage: str, lines: list[Line]) -> list[Outcome]:
    """What a stage makes of the file before it, on the golden catalogue."""
    ask = InlineAsk(golden_engines(), Objects(), MemoryVectors())
    Player("catalog_encoder", ask).play([(_product(look), "platform") for look in CATALOGUE])
    return Player(stage, ask).play(lines)


def published(stage: str, lines: list[Line]) -> list[Line]:
    """The same as the lines of the next file."""
    return [(event, stage) for outcome in play(stage, lines) for event in outcome.events]


def minute() -> dict[str, list[Line]]:
    """Every file as the code makes it now, each from the one before it."""
    segments: list[Line] = [(event, "platform") for event in story()]
    transcripts = published("transcriber", segments)
    seen = published("frame_encoder", segments)
    observations = interleaved(published("summarizer", transcripts), seen, 0)
    embeddings = published("product_encoder", observations)
    matches = published("matcher", embeddings)
    return dict(zip(FILES, (segments, transcripts, observations, embeddings, matches), strict=True))


def written(lines: list[Line]) -> str:
    """One line for each event; a segment's media is readable here."""
    return "".join(_line(event, source) + "\n" for event, source in lines)


def read(name: str) -> list[Line]:
    """The lines of a file."""
    return [_parsed(line) for line in (FOLDER / f"{name}.jsonl").read_text().splitlines()]


def _line(event: Event, source: str) -> str:
    content = event.model_dump(mode="json")
    if isinstance(event, Segment):
        content |= {"media": event.media.decode()}
    return json.dumps({"type": event.ce_type, "source": source, "event": content})


def _parsed(line: str) -> Line:
    found = json.loads(line)
    content = found["event"]
    if found["type"] == Segment.ce_type:
        media = content.pop("media").encode()
        return Segment.model_validate(content | {"media": media}), found["source"]
    return KINDS[found["type"]].model_validate_json(json.dumps(content)), found["source"]


def _segment(sequence: int, text: str | None, look: str | None, at_ms: int = 200) -> Segment:
    words = None if text is None else [word for word in spoken(text, at_ms) if _audible(word)]
    return _raw(sequence, fake_media(words, look, SEGMENT_MS))


def _audible(word: Spoken) -> bool:
    return word[1] < SEGMENT_MS and word[2] > 0


def _raw(sequence: int, media: bytes) -> Segment:
    start_ms = StreamMs(sequence * SEGMENT_MS)
    return Segment(stream_id=STREAM, sequence=sequence, start_ms=start_ms, duration_ms=SEGMENT_MS, media=media)


def _room(revision: int, *shelf: str) -> RoomChanged:
    shelved = {link: _product_id(look) for link, look in enumerate(shelf, 1)}
    return RoomChanged(stream_id=STREAM, room=Room(revision=revision, shelf=shelved))


def _product(look: str) -> Product:
    picture = Picture(content_type="image/fake", data=fake_picture(look))
    return Product(product_id=_product_id(look), title=look, images=(picture,))


def _product_id(look: str) -> ProductId:
    return ProductId("p-" + look.replace(" ", "-"))


if __name__ == "__main__":
    for name, lines in minute().items():
        (FOLDER / f"{name}.jsonl").write_text(written(lines))
