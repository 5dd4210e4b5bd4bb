"""seed → one run with its fault → what was wrong with it; and the undisturbed runs that it is compared with."""

import re
from dataclasses import dataclass, field, replace
from typing import Any

from infra import services
from streams.delivery import mark_of
from streams.flight import BOOK, CRASHES_AT_MOST, charge
from streams.topics import topic_ids
from streams.topology import PRODUCTS, SEGMENTS, topic_name
from tests.chaos.controls import Control
from tests.chaos.faults import BY_NAME, Drawn
from tests.chaos.ledger import Books, Check, Complaint, Expected, complaints
from tests.chaos.play import Play, playing
from tests.chaos.rig import House
from tests.chaos.world import DEADLY, DEADLY_AT, REAL, REAL_WIDE, SMALL, WIDE, World

PUSHED_BY_A_PRODUCER: dict[str, dict[str, Any]] = {
    "pushed": {},
    "gone-on-marked": {"as_after": "marked"},
    "gone-on-settled": {"as_after": "settled"},
}
"""Undisturbed runs whose world comes from a producer, and its orders; the others find theirs on the topics."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run."""

    drawn: Drawn
    complaints: tuple[Complaint, ...]
    recovery_s: float | None
    answers: int
    duplicates: int
    """Records that said again what was said before."""
    stalled: int = 0
    """Workers that the pulse ended."""


@dataclass(slots=True)
class Theatre:
    """Runs on one house, and the undisturbed ones, each played once."""

    house: House
    _twins: dict[tuple[str, str], Books] = field(default_factory=dict)

    def play(self, drawn: Drawn) -> Outcome:
        """Play a run that was drawn."""
        fault = BY_NAME[drawn.fault]
        world = {SMALL: REAL, WIDE: REAL_WIDE}[fault.world] if drawn.real else fault.world
        twins = [self.twin(world, kind) for kind in fault.twins]
        pushed = not any(kind in PUSHED_BY_A_PRODUCER for kind in fault.twins)
        with playing(self.house, f"chaos-{drawn.seed}", world, pushed) as play:
            try:
                fault.inject(play, drawn)
            except TimeoutError as late:
                play.complain(Check.STUCK, str(late))
            finally:
                self.house.mend()
            expected = Expected(twins, play.more)
            return _outcome(drawn, _ended(play, expected), expected)

    def control(self, control: Control) -> list[Complaint]:
        """Play a run with one rule less; what is noticed."""
        expected = Expected([self.twin(SMALL, "recorded")])
        with playing(self.house, "control-" + control.rule.replace(" ", "-").replace(",", ""), SMALL) as play:
            play.patience_s = 40.0
            if control.strike:
                play.struck(control.strike, without=control.rule)
            play.worker(without=control.rule)
            return complaints(_ended(play, expected), expected)

    def twin(self, world: World, kind: str) -> Books:
        """The undisturbed run of what was recorded, of what is pushed, or with an updated catalogue.

        ``KIND@N``: its answers, as they would name the revision N beyond that of the catalogue as it was loaded.

        Raises `AssertionError` where even that one breaks a promise.
        """
        kind, _, revision = kind.partition("@")
        if revision:
            return _naming(self.twin(world, kind), len(world.scenes.products()) - 1 + int(revision))
        if (world.name, kind) not in self._twins:
            with playing(self.house, f"calm-{world.name}-{kind}", world, kind not in PUSHED_BY_A_PRODUCER) as play:
                self._twins[world.name, kind] = _undisturbed(play, kind)
        return self._twins[world.name, kind]


def _undisturbed(play: Play, kind: str) -> Books:
    if kind == "updated":
        play.push(topic_name(PRODUCTS, play.run), [play.world.catalogue_update()])
    if kind == "spared":
        play.push(topic_name(SEGMENTS, play.run), play.world.deadly_broadcast())
        charge_before(play)
    play.worker()
    if kind in PUSHED_BY_A_PRODUCER:
        play.wait_for(play.producer(**PUSHED_BY_A_PRODUCER[kind]).has_ended, "the producer to push it all")
    else:
        play.wait_for(
            lambda: play.world.segment_ids() <= {it.name for it in play.eyes.terminals}, "the undisturbed run"
        )
    play.finish(Expected([Books(terminals=play.eyes.terminals)]))
    books = play.close()
    wrong = complaints(books, Expected([books]))
    assert not wrong, wrong
    return books


def charge_before(play: Play) -> None:
    """The deadly message as it is after three deaths of each stage that reads it: it ends no process any more."""
    topic, settings = topic_name(SEGMENTS, play.run), play.house.settings
    pushed = play.eyes.new_in(topic)
    here = (record for record in pushed if record.key == DEADLY.encode())
    deadly = next(record for record in here if record.headers.get("ce_sequence") == str(DEADLY_AT).encode())
    topic_id = topic_ids([topic], settings.kafka, services.security(settings))[topic]
    marks = [mark_of(stage, deadly, topic_id) for stage in ("transcriber", "frame_encoder")]
    play.flights.mkdir(parents=True, exist_ok=True)
    for _ in range(CRASHES_AT_MOST):
        charge(play.flights / BOOK, marks)


def _naming(books: Books, revision: int) -> Books:
    """The same answers, as they would name another revision of the catalogue."""
    named = f'"catalogue_revision":{revision}'.encode()
    again = [replace(it, said=re.sub(rb'"catalogue_revision":\d+', named, it.said)) for it in books.terminals]
    return Books(again, books.rows, books.products)


def _ended(play: Play, expected: Expected) -> Books:
    play.finish(expected)
    return play.close()


def _outcome(drawn: Drawn, books: Books, expected: Expected) -> Outcome:
    ids = {terminal.record_id for terminal in books.terminals}
    return Outcome(
        drawn,
        tuple(complaints(books, expected)),
        books.recovery_s,
        len(ids),
        len(books.terminals) - len(ids),
        books.stalled,
    )
