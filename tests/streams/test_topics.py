"""The topics of a run fit what it reads, however the settings have changed since that was recorded."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from kafka import KafkaAdminClient

from infra.errors import NotRunning, ServiceRefused
from infra.settings import Settings
from infra.topics import partition_counts
from streams import groups
from streams.reading import NotFound, Stretch
from streams.topics import catalogue_end, delete_before, ids_of, make_topics
from streams.topology import FLOW, SEGMENTS, source_topic, topic_name
from streams.worker import broker_of

pytestmark = pytest.mark.broker


def test_every_stage_of_a_run_keeps_its_state_in_as_many_partitions_as_it_reads(
    broker: str, service_settings: Settings
) -> None:
    make_topics(replace(service_settings, partitions=5), broker, "wide", "wide")
    for partitions in (2, 9):
        run, settings = f"of-wide-{partitions}", replace(service_settings, partitions=partitions)
        make_topics(settings, broker, run, "wide")
        assert make_topics(settings, broker, run, "wide") == ()
        for row in FLOW:
            reads, state = source_topic(row, run, "wide"), topic_name(row.state, run)
            counts = partition_counts([reads, state, "of-wide-none"], broker)
            assert counts == dict.fromkeys((reads, state), counts[reads])
            assert counts[reads] == (1 if row.reads.one_partition else 5 if row.recorded_input else partitions)


def test_a_run_over_nothing_that_was_recorded_is_refused_by_the_name_of_the_topic(
    broker: str, service_settings: Settings
) -> None:
    make_topics(service_settings, broker, "of-nothing", "nothing")
    with pytest.raises(NotFound, match=r"no topic run\.nothing\.live\.segments"):
        broker_of(service_settings, broker, ["summarizer", "transcriber"], "of-nothing", "nothing")


@pytest.mark.timeout(120)
def test_a_broker_that_goes_away_meanwhile_is_an_outage_and_no_bug(service_settings: Settings) -> None:
    settings = replace(service_settings, kafka="127.0.0.1:9")
    asked = (
        lambda: groups.refuse_without_read(settings, ["vitrine-matcher"]),
        lambda: broker_of(settings, settings.kafka, ["matcher"], ""),
        lambda: catalogue_end(settings, settings.kafka),
        lambda: delete_before([Stretch("live.segments", 0, 0, 1)], settings, settings.kafka),
    )
    with ThreadPoolExecutor(len(asked)) as pool:
        failed = [each.exception() for each in [pool.submit(ask) for ask in asked]]
    assert [type(each) for each in failed] == [NotRunning] * len(asked)


def test_brokers_that_give_topics_no_ids_are_refused_with_the_version_that_does(
    broker: str, service_settings: Settings
) -> None:
    make_topics(service_settings, broker)
    for spoken in (None, (2, 8)):
        with KafkaAdminClient(bootstrap_servers=broker, api_version=spoken) as newer:
            assert ids_of(newer.describe_topics([SEGMENTS.name]), broker)[SEGMENTS.name]
    older = KafkaAdminClient(bootstrap_servers=broker, api_version=(2, 7))
    with pytest.raises(ServiceRefused, match=r"older than 2\.8"):
        ids_of(older.describe_topics([SEGMENTS.name]), broker)
    older.close()
