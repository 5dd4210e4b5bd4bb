"""A short set of fault runs on the real services, and the controls: with one rule less, the check meant for it speaks.

``make chaos`` plays the long set. The default run plays a few of these, ``python -m pytest -m chaos`` the others.
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from infra.settings import Settings
from streams.topology import STAGES
from tests.chaos.controls import CONTROLS
from tests.chaos.draw import draw
from tests.chaos.ledger import Expected, complaints, sent
from tests.chaos.play import playing
from tests.chaos.rig import open_house
from tests.chaos.run import Theatre
from tests.chaos.world import SMALL, Poison, poison
from tests.lost_sockets import loses_sockets

pytestmark = pytest.mark.broker

SEEDS = {
    1: "worker killed",
    3: "worker frozen",
    5: "worker terminated",
    15: "workers join and leave",
    20: "Milvus frozen",
    31: "one stream stalls",
}
MORE_SEEDS = {
    16: "broker killed",
    23: "live push killed before a segment",
    29: "poison in every stage",
    30: "a message crashes",
    35: "worker killed",
}
SHORT_CONTROLS = ("acknowledge last", "apply an id once", "snapshot after the outputs", "no message without a fate")
MORE_CONTROLS = tuple(rule for rule in CONTROLS if rule not in SHORT_CONTROLS)
LONG = pytest.mark.chaos


@pytest.fixture(scope="module")
def theatre(service_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    """Services of its own: they are killed and frozen here."""
    with open_house(replace(service_settings, data=tmp_path_factory.mktemp("chaos")), print) as house:
        yield Theatre(house)


@loses_sockets
@pytest.mark.parametrize("seed", [*SEEDS, *(pytest.param(seed, marks=LONG) for seed in MORE_SEEDS)])
def test_every_promise_is_kept_whatever_happens(theatre: Theatre, seed: int) -> None:
    outcome = theatre.play(draw(seed))
    assert outcome.drawn.fault == (SEEDS | MORE_SEEDS)[seed]
    assert outcome.complaints == ()
    assert outcome.recovery_s is not None


def test_stages_may_run_in_separate_processes(theatre: Theatre) -> None:
    expected = Expected([theatre.twin(SMALL, "recorded")])
    with playing(theatre.house, "one-stage-each", SMALL) as play:
        for stage in STAGES:
            play.worker(stages=(stage,))
        play.finish(expected)
        assert complaints(play.close(), expected) == []


@LONG
def test_every_promise_is_kept_on_the_shipped_models(theatre: Theatre) -> None:
    assert theatre.play(draw(1).on_real_models()).complaints == ()


@pytest.mark.parametrize("rule", [*SHORT_CONTROLS, *(pytest.param(rule, marks=LONG) for rule in MORE_CONTROLS)])
def test_without_a_rule_the_check_that_is_meant_for_it_speaks(theatre: Theatre, rule: str) -> None:
    control = CONTROLS[rule]
    assert control.noticed_by in {complaint.check for complaint in theatre.control(control)}


@pytest.mark.parametrize("bad", poison(SMALL), ids=lambda bad: bad.name)
def test_poison_becomes_one_dead_letter_that_keeps_the_message(theatre: Theatre, bad: Poison) -> None:
    name = bad.terminal_id or sent(*bad.message)
    found = {letter.record_id for letter in theatre.twin(SMALL, "recorded").terminals
             if letter.name == name and letter.said == bad.reason.value.encode()}  # fmt: skip
    assert len(found) == 1
