"""Hypothesis strategies for every kind of event, as wide as the models allow."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from schemas.embedding import Embedding
from schemas.event import Event
from schemas.ids import EventId, ProductId, StreamId, StreamMs
from schemas.match import Candidate, Decision, Doubt, Match
from schemas.observation import Said, Summary, Tokens, Visual
from schemas.product import Picture, Product
from schemas.reasons import Reason
from schemas.reference import Reference
from schemas.room import Room, RoomChanged, StreamEnded
from schemas.segment import Segment, SegmentEvent
from schemas.shedding import Shed, together
from schemas.transcript import ClosingTranscript, Transcript, Word

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
printable = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=40)
streams = st.one_of(st.sampled_from(['room "7"/a', "zimmer-ü", "部屋/7", "o'clock", "100%"]), printable).map(StreamId)
products = printable.map(ProductId)
times_ms = st.integers(0, 10**9).map(StreamMs)
sequences = st.integers(0, 10**9)
floats = st.floats(-1, 1, width=32)
references = st.builds(
    Reference, dataref=texts, sha256=st.text("0123456789abcdef", min_size=64, max_size=64), size_bytes=sequences
)
reasons = st.none() | st.sampled_from(Reason)
said = st.builds(Said, product_name=texts, features=st.lists(texts, max_size=3).map(tuple), heard_as=st.none() | texts,
                 links=st.lists(st.integers(0, 99), max_size=2).map(tuple))  # fmt: skip
rule = st.none() | st.sampled_from(Shed)
rules = st.lists(st.sampled_from(Shed), max_size=2).map(together)
word = st.builds(Word, text=texts, start_ms=times_ms, end_ms=times_ms, confidence=st.floats(0, 1))
words = st.lists(word, max_size=3).map(tuple)
shelves = st.dictionaries(st.integers(0, 99), products, max_size=3)
candidate = st.builds(Candidate, product_id=products, title=texts, score=floats, link=st.none() | sequences, row=texts)
candidates = st.lists(candidate, max_size=2).map(tuple)
frames = st.lists(times_ms, max_size=3).map(tuple)
pictures = st.lists(
    st.builds(Picture, content_type=texts, data=st.binary(max_size=20), reference=st.none() | references), max_size=2
).map(tuple)
lengths_ms = st.integers(1, 600_000)
speech = {"said": said, "said_age_ms": sequences, "said_at": st.none() | sequences, "heard": texts}
origin = {"space": texts, "frames_ms": frames, "evidence": st.none() | references, "visual_gap": reasons,
          "speech_gap": reasons, "shed": rules}  # fmt: skip

place = {"stream_id": streams, "sequence": sequences, "start_ms": times_ms, "duration_ms": lengths_ms}


def of_a_segment(kind: type[SegmentEvent], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[SegmentEvent]:
    """Events that end as long after their start as a segment may."""

    def made(start_ms: int, duration_ms: int, **given: Any) -> SegmentEvent:
        return kind(start_ms=StreamMs(start_ms), end_ms=StreamMs(start_ms + duration_ms), **given)

    return st.builds(made, **place, **fields)


media_types = st.sampled_from(["video/mp2t", "video/mp4"])
segments = st.one_of(
    st.builds(Segment, **place, media=st.binary(max_size=60), content_type=media_types),
    st.builds(Segment, **place, reference=references),
)
events: st.SearchStrategy[Event] = st.one_of(
    segments,
    st.builds(StreamEnded, stream_id=streams, reason=st.sampled_from(["finished", "interrupted", "idle"])),
    st.builds(RoomChanged, stream_id=streams, room=st.builds(
        Room, revision=sequences, title=texts, language=st.none() | texts, shelf=shelves, pinned=st.none() | products)),
    of_a_segment(Transcript, language=st.none() | texts, words=words, gap=reasons),
    st.builds(ClosingTranscript, stream_id=streams, end_ms=times_ms, words=words),
    of_a_segment(Visual, tower=texts, tokens=st.none() | st.just(Tokens(shape=(1, 2), float16=b"\0\1\2\3")),
              frames_ms=frames, evidence=st.none() | references, source=st.none() | references, gap=reasons, shed=rule),
    of_a_segment(Summary, said=said, age_ms=sequences, made_at=st.none() | sequences, heard=texts, gap=reasons,
              shed=rule),
    of_a_segment(Embedding, **speech, **origin, vector=st.lists(floats, max_size=4).map(tuple)),
    of_a_segment(Match, **speech, **origin, decision=st.sampled_from(Decision), shown=candidates,
              runners_up=candidates, doubt=st.none() | st.sampled_from(Doubt), margin=st.none() | floats,
              room_revision=st.none() | sequences, catalogue_revision=st.integers(-1, 10**9),
              made_from=st.lists(texts.map(EventId), max_size=2).map(tuple)),
    st.builds(Product, product_id=products, title=texts.filter(bool),
              attributes=st.dictionaries(texts, texts, max_size=2), images=pictures, videos=pictures),
)  # fmt: skip

CLOSED = datetime(2026, 11, 23, 9, 0, 0, 250_000, tzinfo=UTC)
