"""A few seconds of the long run, with everything real in it: it does not rot between two hours of it."""

from dataclasses import replace

import pytest

from infra import scratch
from infra.settings import Settings
from tests.bench.soak import report
from tests.bench.soak.load import Plan
from tests.bench.soak.run import Sample, Told, opened

pytestmark = pytest.mark.broker


@pytest.fixture(scope="module")
def told(service_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Told:
    """Services of its own: the run makes production's topics, with short times."""
    own = scratch.own(replace(service_settings, data=tmp_path_factory.mktemp("soak")), "soak")
    found, seen = Told(Plan(minutes=0.25)), list[Sample]()
    with opened(own, found.plan, print) as stage:
        stage.play(found, lambda _, sample: seen.append(sample))
    assert len(seen) == len(found.samples)
    return found


def test_every_segment_of_a_short_run_has_one_terminal_record(told: Told) -> None:
    assert (told.failure, told.unanswered, told.answered_twice) == ("", [], [])
    assert told.segments > 20
    assert told.broadcasts >= 2


def test_every_number_is_seen_in_it(told: Told) -> None:
    seen = told.series()
    assert {*report.JUDGED, *report.TOLD} <= set(seen)
    assert all(len(samples) > 2 for samples in seen.values())
    assert all(seen[name][-1][1] > 0 for name in ("worker, memory", "live rows", "records", "streams in state", "disk"))
