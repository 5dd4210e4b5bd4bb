"""The closed table of faults: what each strikes, what it does, and when its cause is gone.

A fault starts the workers, strikes, mends what it broke, and returns when the run may go to its end; `Play.finish` then
waits until every message is answered and every stage is through. The cause of a kill is gone at once, and so is that of
a freeze (the frozen worker's partitions go to another); an outage lasts until the service is back.
"""

import resource
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from encoders.cutter import CutSegment
from streams.envelope import Record
from streams.topology import FLOW, PRODUCTS, SEGMENTS, row_of, source_topic, topic_name
from tests.chaos.ledger import Check, sent
from tests.chaos.places import BEFORE, PUBLICATION, Place, Strike
from tests.chaos.play import Play
from tests.chaos.pushing import KILLED_AT_EVENT, Point
from tests.chaos.rig import Service, Worker, wait_for
from tests.chaos.scenes import LOOKS, SEGMENT_MS, product
from tests.chaos.troubles import SLOW_ENOUGH_TO_LOAD_S, SLOW_S, Trouble
from tests.chaos.world import SMALL, WIDE, RawMessage, World, message, segment

OUTAGE_S = (4.0, 24.0)
"""The shortest and the longest of a fault run: beyond the session timeout, beyond a call of the vector store, and the
longest so long that the probes have to tell of it."""
FULL_OUTAGE_S = {"broker frozen": 60.0, "Milvus away": 300.0, "one stream stalls": 60.0}
AT_ONCE, RETURNED = "at once", "when it answers again"
OLD_REVISION = "updated@0"
"""A product's rows are there a moment before its revision."""
REVISIONS_OF_POISON = ("recorded@1", "recorded@2", "recorded@3")
NO_MEDIA = CutSegment(b"", 0, SEGMENT_MS)
STALL_S = 8.0
"""The pulse's patience with a worker whose model hangs or whose clock jumps."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """What one run does."""

    seed: int
    fault: str
    place: Place
    """Where the worker is struck, or where it stands when something else is."""
    nth: int
    """It is struck when it is there for the nth time."""
    after: int
    """A fault that has no place comes when there are so many answers."""
    lasts: float
    """Between 0 and 1: how long an outage lasts, between its shortest and its longest."""
    coin: bool
    """For a fault that can go two ways."""
    full_length: bool = False
    """An outage as long as real ones: minutes."""
    real: bool = False
    """On the shipped models, in a smaller world."""

    def on_real_models(self) -> "Drawn":
        """The same fault, early enough for the few segments of that world."""
        return replace(self, real=True, nth=2 + self.nth % 5, after=2 + self.after % 5)


@dataclass(frozen=True, slots=True)
class Fault:
    """One row of the table."""

    name: str
    scope: str
    does: str
    gone: str
    """When its cause is gone. The recovery is counted from then until every stream has its next match."""
    inject: Callable[[Play, Drawn], None]
    world: World = SMALL
    twins: tuple[str, ...] = ("recorded",)
    """The undisturbed runs whose answers are right, as `tests/chaos/run.py` names them; the last one's rows are."""


def killed(play: Play, drawn: Drawn) -> None:
    play.struck(Strike(drawn.place, drawn.nth, "SIGKILL"))
    play.worker()


def terminated(play: Play, drawn: Drawn) -> None:
    play.struck(Strike(drawn.place, drawn.nth, "SIGTERM"))
    play.worker()


def frozen(play: Play, drawn: Drawn) -> None:
    """A woken worker joins its groups again, all at once; Faust's consumers can stop quietly over that too."""
    play.may_stall = True
    asleep = play.struck(Strike(drawn.place, drawn.nth, "SIGSTOP"))
    successor = play.worker()
    before = play.answers()
    play.wait_for_answers(min(before + 3, len(play.world.segment_ids())))
    asleep.thaw()
    if drawn.coin:
        play.wait_for_answers(min(before + 6, len(play.world.segment_ids())))
        successor.kill()


def republished(play: Play, drawn: Drawn) -> None:
    """Whatever the stage's upstream has said so far it says again. Products are not: a newer offset is a revision."""
    play.worker()
    play.wait_for_answers(drawn.after)
    row = row_of("transcriber" if drawn.place.stage == "catalog_encoder" else drawn.place.stage)
    topic = source_topic(row, play.run, play.run)
    play.begins()
    play.push(topic, repeatable(play.eyes.new_in(topic), {stream.encode() for stream in play.world.streams}))


def repeatable(records: Iterable[Record], keys: set[bytes]) -> list[RawMessage]:
    """The events of these streams; not what contradicts an earlier one, since that is news at each offset."""
    first: dict[bytes, bytes | None] = {}
    return [
        (record.key, record.value, record.headers)
        for record in records
        if record.key in keys and "ce_id" in record.headers
        and first.setdefault(record.headers["ce_id"], record.value) == record.value
    ]  # fmt: skip


def joined_and_left(play: Play, drawn: Drawn) -> None:
    slow = Trouble("slow", 0, SLOW_ENOUGH_TO_LOAD_S if play.world.real else SLOW_S)
    first = play.worker(trouble=slow)
    play.wait_for_answers(drawn.after // 2)
    second = play.worker(trouble=slow)
    play.begins()
    play.wait_for(lambda: bool(second.hear().received), "the second worker to have a share")
    play.lifted()
    leaving = first if drawn.coin else second
    if drawn.nth % 2:
        leaving.kill()
    else:
        play.stop(leaving)


def broker_killed(play: Play, drawn: Drawn) -> None:
    worker = breakpoint_of(play, drawn)
    play.house.kafka.kill()
    worker.thaw()
    time.sleep(outage_s(drawn) / 4)
    play.house.kafka.start()
    play.lifted()


def broker_frozen(play: Play, drawn: Drawn) -> None:
    freeze(play, drawn, play.house.kafka)


def broker_disk_full(play: Play, drawn: Drawn) -> None:
    worker, broker = breakpoint_of(play, drawn), play.house.kafka
    broker.fill_its_disk()
    worker.thaw()
    wait_for(broker.has_ended, "the broker to end for want of room")
    broker.stop()
    broker.start()
    play.lifted()


def milvus_killed(play: Play, drawn: Drawn) -> None:
    worker = breakpoint_of(play, drawn)
    play.house.milvus.kill()
    worker.thaw()
    play.house.milvus.start()
    play.lifted()


def milvus_frozen(play: Play, drawn: Drawn) -> None:
    freeze(play, drawn, play.house.milvus)


def milvus_away(play: Play, drawn: Drawn) -> None:
    worker = breakpoint_of(play, drawn)
    play.house.milvus.stop()
    worker.thaw()
    play.away = True
    play.pause(outage_s(drawn))
    play.house.milvus.start()
    play.lifted()


def producer_killed(play: Play, drawn: Drawn) -> None:
    point: Point = ("marked", "sent", "settled")[drawn.after % 3]
    push_killed(play, dies_at=drawn.nth, point=point)


def live_push_killed_first(play: Play, drawn: Drawn) -> None:
    push_killed(play, dies_at=KILLED_AT_EVENT, point="marked", live=True)


def live_push_killed_after(play: Play, drawn: Drawn) -> None:
    push_killed(play, dies_at=KILLED_AT_EVENT, point="settled", live=True)


def push_killed(play: Play, **orders: Any) -> None:
    """A producer dies, and another one goes on; `orders` are fields of `Pushing`."""
    play.worker()
    dying = play.producer(**orders)
    play.wait_for(dying.has_ended, "the producer to die")
    play.begins(dying.hear().struck_ms)
    again = play.producer(**orders | {"dies_at": 0})
    play.wait_for(again.has_ended, "the producer to push it all")


def objects_disk_full(play: Play, drawn: Drawn) -> None:
    place = Place("frame_encoder", BEFORE, PUBLICATION)
    worker = play.struck(Strike(place, drawn.nth, "SIGSTOP"))
    worker.disk(1)
    worker.thaw()
    play.away = True
    play.pause(outage_s(drawn))
    worker.disk(resource.RLIM_INFINITY)
    play.lifted()


def model_hangs(play: Play, drawn: Drawn) -> None:
    trouble_of(play, Trouble("hangs", drawn.nth))
    play.may_stall = True


def model_out_of_memory(play: Play, drawn: Drawn) -> None:
    trouble_of(play, Trouble("out of memory", drawn.nth))


def clock_jumps(play: Play, drawn: Drawn) -> None:
    play.may_stall = True
    play.struck(Strike(drawn.place, drawn.nth, "3600" if drawn.coin else "-3600"), stalled_after_s=STALL_S)


def poisoned(play: Play, drawn: Drawn) -> None:
    """In mid-stream; or before the worker begins, so that the last product of the catalogue is an unusable one."""
    if drawn.coin:
        play.worker()
        play.wait_for_answers(drawn.after)
    play.begins()
    for row in FLOW:
        bad = poison_for(row.stage, play.world)
        play.push(source_topic(row, play.run, play.run), bad)
        play.more |= {sent(*each): b"Malformed" for each in bad}
    if not drawn.coin:
        play.worker()


def crashing(play: Play, drawn: Drawn) -> None:
    """As a supervisor does, `Play` charges what a worker had in hand when it died."""
    play.may_crash = True
    play.worker()
    play.wait_for_answers(drawn.after)
    play.begins()
    play.push(topic_name(SEGMENTS, play.run), play.world.deadly_broadcast())


def one_stream_stalls(play: Play, drawn: Drawn) -> None:
    stream, release = play.world.streams[0], play.house.logs / f"{play.run}.go-on"
    play.begins()
    play.worker(stall=(stream, release), stalled_after_s=2 * FULL_OUTAGE_S[drawn.fault])
    others = {f"{other}/{number:06d}" for other in play.world.streams[1:] for number in range(play.world.segments_each)}
    try:
        play.wait_for(lambda: others <= {it.name for it in play.eyes.terminals}, "the streams that do not stall")
    except TimeoutError as late:
        play.complain(Check.DELAYED, str(late))
    if drawn.full_length:
        play.pause(outage_s(drawn))
    if any(it.stream == stream for it in play.eyes.terminals):
        play.complain(Check.DELAYED, f"{stream} went on although it was stalled")
    release.touch()
    play.lifted()


def catalogue_changes(play: Play, drawn: Drawn) -> None:
    play.worker()
    play.wait_for_answers(drawn.after)
    play.begins()
    play.push(topic_name(PRODUCTS, play.run), [play.world.catalogue_update()])


def breakpoint_of(play: Play, drawn: Drawn) -> Worker:
    """A worker that stands still at the place, so that what happens next happens exactly there.

    Clients of a broker that was away may stay away (Faust's consumers can stop quietly); the pulse is there for that.
    """
    play.may_stall = True
    return play.struck(Strike(drawn.place, drawn.nth, "SIGSTOP"))


def trouble_of(play: Play, trouble: Trouble) -> None:
    worker = play.worker(trouble=trouble, stalled_after_s=STALL_S)
    play.wait_for(lambda: bool(worker.hear().struck), f"the speech model's {trouble.nth}th call")
    play.begins(worker.journal.struck_ms)


def freeze(play: Play, drawn: Drawn, service: Service) -> None:
    worker = breakpoint_of(play, drawn)
    service.freeze()
    worker.thaw()
    play.away = True
    time.sleep(outage_s(drawn))
    service.thaw()
    play.lifted()


def outage_s(drawn: Drawn) -> float:
    """How long a service is away."""
    shortest, longest = OUTAGE_S
    return FULL_OUTAGE_S[drawn.fault] if drawn.full_length else shortest + drawn.lasts * (longest - shortest)


def poison_for(stage: str, world: World) -> list[RawMessage]:
    """Three messages that this stage cannot use, each with a key that tells where it was put."""
    lost, stream = f"poison-{stage}".encode(), world.streams[0]
    foreign = segment(stream, 0, NO_MEDIA) if stage == "catalog_encoder" else product(f"{stage} only", LOOKS[0])
    key, value, headers = message(segment(stream, 1, replace(NO_MEDIA, media=lost)))
    return [
        (lost, b"\xff\x00 no event", {}),
        (key, value, headers | {"ce_type": b"vitrine.riddle.v1"}),
        message(foreign),
    ]


FAULTS = (
    Fault("worker killed", "a worker, at a named point", "SIGKILL", AT_ONCE, killed),
    Fault("worker terminated", "a worker, at a named point", "SIGTERM", AT_ONCE, terminated),
    Fault("worker frozen", "a worker, at a named point", "SIGSTOP for longer than its session, then SIGCONT",
          AT_ONCE, frozen),
    Fault("upstream republishes", "a stage's input", "all of it again at new offsets", AT_ONCE, republished),
    Fault("workers join and leave", "the consumer groups", "a second worker joins, one of them leaves",
          "when the second one has joined", joined_and_left),
    Fault("broker killed", "Kafka", "SIGKILL, then a start on the same data", RETURNED, broker_killed),
    Fault("broker frozen", "Kafka", "SIGSTOP, then SIGCONT", RETURNED, broker_frozen),
    Fault("broker's disk full", "Kafka", "no file of it may grow (RLIMIT_FSIZE); it ends; then a start with room",
          RETURNED, broker_disk_full),
    Fault("Milvus killed", "Milvus", "SIGKILL, then a start on the same data", RETURNED, milvus_killed),
    Fault("Milvus frozen", "Milvus", "SIGSTOP for longer than a call, then SIGCONT", RETURNED, milvus_frozen),
    Fault("Milvus away", "Milvus", "stopped, and started later", RETURNED, milvus_away),
    Fault("producer killed", "a push of a file", "SIGKILL at an event; pushed again, it goes on where it was",
          AT_ONCE, producer_killed, twins=("pushed",)),
    Fault("live push killed before a segment", "a push of a live source", "SIGKILL when a segment is marked, not sent; "
          "pushed again, the numbers go on behind it", AT_ONCE, live_push_killed_first, twins=("gone-on-marked",)),
    Fault("live push killed after a segment", "a push of a live source", "SIGKILL when a segment is sent; then "
          "as before", AT_ONCE, live_push_killed_after, twins=("gone-on-settled",)),
    Fault("object store's disk full", "a worker's files", "none may grow (RLIMIT_FSIZE); later they may",
          "when they may grow", objects_disk_full),
    Fault("model hangs", "the speech model", "a call never returns; the worker's pulse ends it", AT_ONCE, model_hangs),
    Fault("model out of memory", "the speech model", "three calls fail", AT_ONCE, model_out_of_memory),
    Fault("clock jumps", "a worker's clock", "an hour ahead or back", AT_ONCE, clock_jumps),
    Fault("poison in every stage", "every stage's input", "three unusable messages each", AT_ONCE, poisoned,
          twins=(*REVISIONS_OF_POISON, "recorded")),
    Fault("a message crashes", "the transcriber and the frame encoder", "the process ends wherever a model is given it",
          "when it is given to no model any more", crashing, twins=("spared",)),
    Fault("one stream stalls", "the transcriber, one stream", "its partition waits while 20 streams run",
          "when it may go on", one_stream_stalls, WIDE),
    Fault("catalogue changes", "the catalogue, in mid-stream", "a product's page changes (the rooms change as well)",
          AT_ONCE, catalogue_changes, twins=("recorded", OLD_REVISION, "updated")),
)  # fmt: skip

BY_NAME = {fault.name: fault for fault in FAULTS}
