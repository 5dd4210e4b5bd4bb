"""``vitrine calibrate``: broadcasts or recorded streams with labels → thresholds, stored with the embedding space.

Segments are taken from ``live.embeddings`` as the matcher got them, and the catalogue is asked as the matcher asks it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.table import Table

from agents.matcher import MatchPolicy, Row, links_of, named_of, rank
from encoders.network_config import Thresholds
from encoders.profiles import load_network
from encoders.settings import Profile
from encoders.thresholds import ForeignFolder, load_thresholds, refuse_foreign, store_thresholds
from infra import services
from infra.errors import InfraError
from infra.milvus_vectors import MilvusVectors, Place
from infra.settings import Settings
from infra.vectors import VectorStore
from schemas.embedding import Embedding
from schemas.event import Event
from schemas.ids import ProductId, StreamId
from schemas.match import Candidate
from schemas.room import Room, RoomChanged
from streams import quality_run
from streams.ask import MORE_ROWS, hides_the_next, proposed
from streams.calibration import Chosen, Sample, Worth
from streams.demo import Demo
from streams.demo_follow import Pace
from streams.demo_show import Show
from streams.labels import Labels, NoProduct
from streams.reading import Reader, understood
from streams.topology import EMBEDDINGS


class NothingRecorded(InfraError):
    """No embedding of a stream is on the topic, or it is of another space, or that has no catalogue."""


class NotStored(InfraError):
    """Thresholds cannot be written where they were to go."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A stream that has gone through the flow, and its truth."""

    stream_id: StreamId
    labels: Labels


@dataclass(frozen=True, slots=True)
class Space:
    """The embedding space of a profile, as its loaded network tells it."""

    name: str
    dim: int
    profile: Profile
    thresholds: Thresholds
    """Those that a worker takes now."""
    kept: Path | None
    """Where else thresholds may be kept."""

    def refuse(self, into: Path) -> None:
        """Raises `NotStored` where a folder holds another network."""
        try:
            refuse_foreign(into, self.profile)
        except ForeignFolder as foreign:
            remedy = "--into takes the folder of VITRINE_PROFILE's network, or a copy of it; or leave it out"
            raise NotStored(str(foreign), remedy=remedy) from foreign

    def store(self, thresholds: Thresholds, into: Path | None) -> Path:
        """Where a worker of the profile reads them, or into a copy of its network that was named; the file."""
        try:
            return store_thresholds(thresholds, self.profile, self.kept, into)
        except OSError as failure:
            remedy = "make it writable, or name a folder that is: --into FOLDER, VITRINE_THRESHOLDS"
            raise NotStored(f"{failure.filename} cannot be written: {failure.strerror}", remedy=remedy) from failure


def space_of(profile: Profile, settings: Settings) -> Space:
    """Loads the network. Raises `MissingModel`, `BrokenModel`, `BadThresholds`: see `encoders/faults.py`."""
    _, fusion = load_network(profile)
    now = load_thresholds(profile, settings.thresholds)
    return Space(fusion.space, fusion.dim, profile, now, settings.thresholds)


def of_shows(demo: Demo, shows: Sequence[Show], cut: quality_run.Cut, space: Space) -> list[Sample]:
    """The labelled segments of shows, each played through the flow and searched while its catalogue is loaded."""
    samples: list[Sample] = []
    with demo.opened() as hall:
        for played in quality_run.play_all(demo, hall, shows, cut, Pace.MAX):
            recorded = Recorded(played.performance.stream_id, played.show.labels)
            samples += of_streams(demo.settings, hall.reader, [recorded], space)
    return samples


def of_streams(settings: Settings, reader: Reader, recorded: Sequence[Recorded], space: Space) -> list[Sample]:
    """The labelled segments of streams that were recorded here, searched in the catalogue as it is now."""
    found = services.find(settings)
    vectors = MilvusVectors(Place(found.milvus, space.name, space.dim, token=settings.milvus_token))
    try:
        samples = [sample for one in recorded for sample in gathered(_events(reader), one, vectors, space.name)]
        if not vectors.catalogue_size():
            remedy = "load it, vitrine catalog load, while a worker of VITRINE_PROFILE runs"
            raise NothingRecorded(f"the catalogue has no product in the space {space.name!r}", remedy=remedy)
        return samples
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
                what = f"{recorded.stream_id} is embedded in {event.space!r}, not in {space!r}"
                raise NothingRecorded(what, remedy="set VITRINE_PROFILE to the profile whose worker embedded it")
            truth = recorded.labels.truth(event.start_ms, event.end_ms)
            if truth is not NoProduct.MIXED:
                yield Sample(event, _candidates(event, room, vectors), room, truth)
    if not seen:
        remedy = "vitrine status lists the streams; a worker must have embedded it"
        raise NothingRecorded(f"no embedding of stream {recorded.stream_id} is on {EMBEDDINGS.name}", remedy=remedy)


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


def _candidates(embedding: Embedding, room: Room | None, vectors: VectorStore) -> tuple[Candidate, ...]:
    """What the matcher ranks, by the searches of `streams/ask.py`."""
    if not embedding.vector:
        return ()
    links, named = links_of(room), named_of(embedding, room)
    rows = _nearest(embedding, vectors, None)
    if links:
        rows += (near := _nearest(embedding, vectors, sorted(links)))
        if named and named not in {row.product_id for row in near}:
            rows += _searched(embedding, vectors, [named], MatchPolicy().rows)
    return rank(embedding, rows, links)


def _nearest(embedding: Embedding, vectors: VectorStore, shelf: Sequence[ProductId] | None) -> tuple[Row, ...]:
    asked = MatchPolicy().rows
    while hides_the_next(rows := _searched(embedding, vectors, shelf, asked), asked):
        asked *= MORE_ROWS
    return rows


def _searched(
    embedding: Embedding, vectors: VectorStore, shelf: Sequence[ProductId] | None, rows: int
) -> tuple[Row, ...]:
    return tuple(map(proposed, vectors.search([embedding.vector], rows, shelf)[0]))


def _events(reader: Reader) -> Iterator[Event]:
    """Every readable event of ``live.embeddings``; each stream's in order."""
    for record in reader.records(EMBEDDINGS.name):
        if found := understood(record):
            yield found.event


def _share(rate: float | None, of: int) -> str:
    return "–" if rate is None else f"{rate:.1%} of {of}"


WORTH: dict[str, Callable[[Worth], str]] = {
    "accuracy": lambda worth: _share(worth.accuracy, worth.shown),
    "precision of abstaining": lambda worth: _share(worth.precision, worth.abstained),
    "recall of abstaining": lambda worth: _share(worth.recall, worth.empty),
}
