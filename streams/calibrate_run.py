"""``vitrine calibrate``: broadcasts or recorded streams with labels → thresholds, stored with the embedding space.

Segments are taken from ``live.embeddings`` as the matcher got them, and the catalogue is asked as the matcher asks it.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.table import Table

from agents.matcher import MatchPolicy, links_of, rank
from encoders.engines import EMBEDDING_DIM
from encoders.network_store import Thresholds, keep_thresholds, read_config, store_thresholds, thresholds_of
from encoders.profiles import path_of
from encoders.settings import Profile
from infra import services
from infra.errors import InfraError
from infra.milvus_vectors import MilvusVectors, Place
from infra.settings import Settings
from infra.vectors import VectorStore
from schemas.embedding import Embedding
from schemas.event import Event
from schemas.ids import StreamId
from schemas.match import Candidate
from schemas.room import Room, RoomChanged
from streams import quality_run
from streams.ask import proposed
from streams.calibration import Chosen, Sample, Worth
from streams.demo import Demo
from streams.demo_follow import Pace
from streams.demo_show import Show
from streams.envelope import Envelope
from streams.labels import Labels, NoProduct
from streams.reading import Reader, understood
from streams.topology import EMBEDDINGS


class NothingRecorded(InfraError):
    """No embedding of a stream is on the topic, or it is of another space."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A stream that has gone through the flow, and its truth."""

    stream_id: StreamId
    labels: Labels


@dataclass(frozen=True, slots=True)
class Space:
    """The embedding space of a profile: its network's folder, and where else its thresholds may be kept."""

    name: str
    folder: Path
    shipped: bool
    kept: Path | None

    @property
    def thresholds(self) -> Thresholds:
        return thresholds_of(self.folder, self.kept)

    def store(self, thresholds: Thresholds, into: Path | None) -> Path:
        """Into a network's folder that was named; else into the network's own, unless it is shipped or read-only."""
        if into:
            return store_thresholds(thresholds, into)
        if self.kept and (self.shipped or not os.access(self.folder, os.W_OK)):
            return keep_thresholds(thresholds, self.name, self.kept)
        return store_thresholds(thresholds, self.folder)


def space_of(profile: Profile, settings: Settings) -> Space:
    """Raises `encoders.profiles.MissingModel`."""
    folder = path_of(profile, "network")
    return Space(read_config(folder).space, folder, profile.network.shipped, settings.thresholds)


def of_shows(demo: Demo, shows: Sequence[Show], cut: quality_run.Cut, space: str) -> list[Sample]:
    """The labelled segments of shows, each played through the flow and searched while its catalogue is loaded."""
    samples: list[Sample] = []
    with demo.opened() as hall:
        for played in quality_run.play_all(demo, hall, shows, cut, Pace.MAX):
            recorded = Recorded(played.performance.stream_id, played.show.labels)
            samples += of_streams(demo.settings, hall.reader, [recorded], space)
    return samples


def of_streams(settings: Settings, reader: Reader, recorded: Sequence[Recorded], space: str) -> list[Sample]:
    """The labelled segments of streams that were recorded here, searched in the catalogue as it is now."""
    found = services.find(settings)
    vectors = MilvusVectors(Place(found.milvus, space, EMBEDDING_DIM, token=settings.milvus_token))
    try:
        return [sample for one in recorded for sample in gathered(_events(reader), one, vectors, space)]
    finally:
        vectors.close()


def gathered(events: Iterable[Event], recorded: Recorded, vectors: VectorStore, space: str) -> Iterator[Sample]:
    """The segments of a stream whose truth is clear, in order, each once. Raises `NothingRecorded`."""
    room: Room | None = None
    seen: set[int] = set()
    for event in events:
        if event.subject != recorded.stream_id:
            continue
        if isinstance(event, RoomChanged):
            room = event.room
        if isinstance(event, Embedding) and event.sequence not in seen:
            seen.add(event.sequence)
            if event.space not in ("", space):
                raise NothingRecorded(f"{recorded.stream_id} is embedded in {event.space!r}, not in {space!r}")
            truth = recorded.labels.truth(event.start_ms, event.end_ms)
            if truth is not NoProduct.MIXED:
                yield Sample(event, _candidates(event, room, vectors), room, truth)
    if not seen:
        remedy = "vitrine status lists the streams; a worker must have embedded it"
        raise NothingRecorded(f"no embedding of stream {recorded.stream_id} is on {EMBEDDINGS.name}", remedy=remedy)


def _candidates(embedding: Embedding, room: Room | None, vectors: VectorStore) -> tuple[Candidate, ...]:
    """What the matcher ranks: the nearest rows of the shelf, and of the whole catalogue."""
    if not embedding.vector:
        return ()
    links, count = links_of(room), MatchPolicy().rows
    rows = vectors.search([embedding.vector], count)[0]
    if links:
        rows += vectors.search([embedding.vector], count, sorted(links))[0]
    return rank(embedding, tuple(map(proposed, rows)), links)


def _events(reader: Reader) -> Iterator[Event]:
    """Every readable event of ``live.embeddings``; each stream's in order."""
    for record in reader.read(reader.stretches(EMBEDDINGS.name)):
        found = understood(record)
        if isinstance(found, Envelope):
            yield found.event


def table(chosen: Chosen) -> Table:
    """The thresholds and what they are worth, before and after."""
    told = Table(title="on the segments that they were chosen on", title_justify="left")
    for title in ("", "before", "after"):
        told.add_column(title)
    for name, before in asdict(chosen.before).items():
        told.add_row(name, f"{before:g}", f"{asdict(chosen.after)[name]:g}")
    for name, say in WORTH.items():
        told.add_row(name, say(chosen.worth_before), say(chosen.worth_after))
    return told


def _share(rate: float | None, of: int) -> str:
    return "–" if rate is None else f"{rate:.1%} of {of}"


WORTH: dict[str, Callable[[Worth], str]] = {
    "accuracy": lambda worth: _share(worth.accuracy, worth.shown),
    "precision of abstaining": lambda worth: _share(worth.precision, worth.abstained),
    "recall of abstaining": lambda worth: _share(worth.recall, worth.empty),
}
