"""The whole system on one page: which stage reads which topic and writes which one. Read `FLOW` first.

The worker is built from this table, and so are the topics, the README's diagram, the AsyncAPI document and what a
replay runs. Nothing else knows the order of the stages.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from schemas.embedding import Embedding
from schemas.event import Event
from schemas.match import Match
from schemas.observation import Summary, Visual
from schemas.product import Product
from schemas.room import RoomChanged, StreamEnded
from schemas.segment import Segment
from schemas.transcript import ClosingTranscript, Transcript


class Keep(Enum):
    """How long a topic keeps its records; the numbers come from the settings."""

    WHILE_RETAINED = "delete"
    """Everything, for `retention_days`, dead letters for a week more (`streams/topics.py`)."""
    LATEST_BY_KEY = "compact"
    """The newest value of each key, for ever."""
    LATEST_WHILE_RETAINED = "compact,delete"
    """The newest value of each key, for `retention_days`."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One Kafka topic."""

    name: str
    key: str
    """What equal keys have in common: they stay in order."""
    events: tuple[type[Event], ...]
    meaning: str
    keep: Keep = Keep.WHILE_RETAINED
    one_partition: bool = False
    """True where one order over all keys is needed."""
    internal: bool = False


@dataclass(frozen=True, slots=True)
class StageRow:
    """One agent: a consumer group of its own that turns one topic into another."""

    stage: str
    reads: Topic
    writes: Topic | None
    stores: str = ""
    """What it upserts into Milvus."""
    searches: str = ""
    """What it searches in Milvus."""
    recorded_input: bool = False
    """True: a run under another name still reads the production topic (what was recorded)."""

    @property
    def state(self) -> Topic:
        """Where its snapshots live; one partition for each partition it reads."""
        return Topic(
            f"live.state.{self.stage}", "stream and writer", (), f"snapshots of the {self.stage}'s state",
            Keep.LATEST_WHILE_RETAINED, self.reads.one_partition, internal=True,
        )  # fmt: skip


CONTROL = (RoomChanged, StreamEnded)

SEGMENTS = Topic("live.segments", "stream id", (Segment, *CONTROL), "media as pushed; changes and ends of rooms")
TRANSCRIPTS = Topic("live.transcripts", "stream id", (Transcript, ClosingTranscript, *CONTROL), "words with times")
OBSERVATIONS = Topic("live.observations", "stream id", (Visual, Summary, *CONTROL), "what was seen, what was said")
EMBEDDINGS = Topic("live.embeddings", "stream id", (Embedding, *CONTROL), "one unit vector for each segment")
MATCHES = Topic("live.matches", "stream id", (Match, *CONTROL), "which product is on show: for dashboards")
PRODUCTS = Topic(
    "catalog.products", "product id", (Product,), "product pages; a tombstone deletes", Keep.LATEST_BY_KEY, True
)
DEADLETTERS = Topic("live.deadletters", "original key", (), "anything undecodable or impossible, with its reason")
HANDLED = Topic(
    "live.deadletters.handled", "letter's id and attempt", (), "which dead letters were replayed or dropped",
    Keep.LATEST_WHILE_RETAINED, internal=True,
)  # fmt: skip
PUSHED = Topic(
    "live.pushed", "stream id", (), "how far each stream was pushed by vitrine push", Keep.LATEST_WHILE_RETAINED,
    one_partition=True, internal=True,
)  # fmt: skip

FLOW = (
    StageRow("transcriber", SEGMENTS, TRANSCRIPTS, recorded_input=True),
    StageRow("summarizer", TRANSCRIPTS, OBSERVATIONS),
    StageRow("frame_encoder", SEGMENTS, OBSERVATIONS, recorded_input=True),
    StageRow("product_encoder", OBSERVATIONS, EMBEDDINGS, stores="live vectors"),
    StageRow("catalog_encoder", PRODUCTS, None, stores="catalogue vectors", recorded_input=True),
    StageRow("matcher", EMBEDDINGS, MATCHES, searches="catalogue vectors"),
)
STAGES = tuple(row.stage for row in FLOW)
TOPICS = (SEGMENTS, TRANSCRIPTS, OBSERVATIONS, EMBEDDINGS, MATCHES, PRODUCTS, DEADLETTERS)
WRITTEN = (*TOPICS, HANDLED, PUSHED, *(row.state for row in FLOW))
"""Every topic that production or a run may have."""

RUNS = "run."
"""Prefix of every topic, consumer group and collection of a named run."""
RUN_NAME = "[A-Za-z0-9][A-Za-z0-9._-]{0,199}"
"""Kafka's rule for the names of topics, with room for the longest of ours behind it."""

MAX_MESSAGE_BYTES = 9 * 1024 * 1024
"""An inline segment of 8 MiB and its headers."""


def row_of(stage: str) -> StageRow:
    """The row of a stage.

    Raises:
        KeyError: there is no such stage; the message lists those there are.
    """
    for row in FLOW:
        if row.stage == stage:
            return row
    raise KeyError(f"no stage is named {stage!r}; the stages are {', '.join(STAGES)}")


def uses_milvus(stages: Iterable[str]) -> bool:
    """Whether any of these stages stores or searches vectors."""
    return any(row.stores or row.searches for row in map(row_of, stages))


def run_prefix(run: str) -> str:
    """What a run's own topics, groups and collections begin with; empty for production."""
    return f"{RUNS}{run}." if run else ""


def topic_name(topic: Topic, run: str = "") -> str:
    """A topic's name in production, or in a named run."""
    return run_prefix(run) + topic.name


def group_id(stage: str, run: str = "") -> str:
    """A stage's consumer group: one group a stage, whatever process it runs in."""
    return f"{run_prefix(run)}vitrine-{stage}"


def source_topic(row: StageRow, run: str = "", recorded: str = "") -> str:
    """The topic that a stage reads: its run's own; for the flow's input production's, or that of the run `recorded`."""
    return topic_name(row.reads, recorded if row.recorded_input else run)


def owned_topics(run: str = "", recorded: str = "") -> dict[str, Topic]:
    """Every topic of production or of a named run, without the flow's input where another one recorded that."""
    recorded_elsewhere = {row.reads.name for row in FLOW if row.recorded_input} if run != recorded else set()
    return {topic_name(topic, run): topic for topic in WRITTEN if topic.name not in recorded_elsewhere}
