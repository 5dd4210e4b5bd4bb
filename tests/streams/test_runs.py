"""Whose a topic, a group or a collection is: never production's, nor another run's, whatever a run is called."""

import itertools
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.vectors import KINDS, collection_name, is_of_run
from streams.cli import run as vitrine
from streams.runs import run_of_group, run_of_topic, run_of_workers, runs, workers_named
from streams.topology import RUN_NAME, STAGES, WRITTEN, group_id, topic_name

pytestmark = pytest.mark.hermetic

HARD = ["a", "a.b", "a.", "a.live.matches", "live", "live.matches", "run.a", "a.vitrine-matcher", "a_b", "A", "a-live"]
NAMES = st.sampled_from(HARD) | st.from_regex(RUN_NAME, fullmatch=True)
SPACES = st.text(string.ascii_letters + string.digits + "-._@ ×", min_size=1, max_size=40)


@given(NAMES)
def test_every_topic_and_group_is_of_the_run_that_made_it(name: str) -> None:
    assert {run_of_topic(topic_name(topic, name)) for topic in WRITTEN} == {name}
    assert {run_of_group(group_id(stage, name)) for stage in STAGES} == {name}


@given(
    NAMES | st.from_regex("a(-worker|-tran|-1|-){0,4}", fullmatch=True), st.sets(st.sampled_from(STAGES), min_size=1)
)
def test_the_workers_of_every_run_are_its_own(name: str, stages: set[str]) -> None:
    workers = workers_named(name, stages)
    assert {run_of_workers(each) for each in (workers, f"{workers}-1", f"{workers}-12")} == {name}
    assert run_of_workers(workers_named("", stages)) is None


@given(NAMES, NAMES, SPACES, SPACES)
def test_a_collection_is_of_the_run_that_made_it_and_of_no_other(one: str, other: str, here: str, there: str) -> None:
    for kind in KINDS:
        assert is_of_run(collection_name(one, here, kind), one)
        assert is_of_run(collection_name(one, here, kind), other) == (one == other)
        assert not is_of_run(collection_name("", there, kind), one)
        assert not is_of_run(collection_name("", f"{one}_{there}", kind), one)


def test_production_and_what_others_have_is_of_no_run() -> None:
    names = [topic_name(topic) for topic in WRITTEN] + [group_id(stage) for stage in STAGES]
    others = ["run.jobs", "run.live.matches", "run..live.matches", "run.a/b.live.matches", "run.a.live.matches.old",
              "rerun.a.live.matches", "run.-a.live.matches", "run.*.live.matches", "run.a.live.matches\n", "run.",
              "run.a.vitrine-other", "run.vitrine-matcher", "xrun.a.vitrine-matcher"]  # fmt: skip
    assert [name for name in (*names, *others) if run_of_topic(name) or run_of_group(name)] == []
    assert not any(is_of_run(collection_name("", space, "live"), "") for space in ("s", "run", ""))


def test_no_name_of_the_flow_is_the_end_of_another_one() -> None:
    for ends in ([topic.name for topic in WRITTEN], list(map(group_id, STAGES))):
        assert not [pair for pair in itertools.permutations(ends, 2) if pair[0].endswith(f".{pair[1]}")]


def test_runs_are_found_by_their_topics() -> None:
    assert runs(["live.matches", "run.a.live.matches", "run.b.c.live.segments", "run.live", "other"]) == [
        "",
        "a",
        "b.c",
    ]


@pytest.mark.parametrize("name", ["", "*", "a*", ".", "[a]", "a|b", "a b", ".*", "-", "../a", "a" * 201])
def test_what_is_no_name_of_a_run_deletes_nothing(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert vitrine(["runs", "delete", "--", "a", name]) == 2
    assert "name" in capsys.readouterr().err
