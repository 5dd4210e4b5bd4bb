"""A worker that may not join its consumer group says so and ends, where Faust would wait for ever without a word."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from kafka.admin import ACLOperation, ResourceType

from infra.errors import NotRunning, ServiceRefused
from infra.services import Services
from infra.settings import Settings, read_settings
from streams import groups, reading, worker
from streams.run_stores import RunStores
from streams.status import committed_offsets
from streams.topics import make_topics
from streams.topology import STAGES, group_id
from tests.infra.secured import Secured, secured, user

pytestmark = pytest.mark.broker


@pytest.fixture(scope="module")
def cluster(service_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    with secured(replace(service_settings, data=tmp_path_factory.mktemp("rights"))) as running:
        yield running


def test_a_worker_without_a_right_to_its_group_ends_before_it_loads_models(
    cluster: Secured, service_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_topics(service_settings, cluster.plain)
    said = user("vitrine")
    cluster.grant(ResourceType.TOPIC, "*", ACLOperation.ALL)
    for name, value in {
        "VITRINE_DATA": str(service_settings.data),
        "VITRINE_KAFKA": cluster.sasl,
        "VITRINE_KAFKA_SECURITY_PROTOCOL": said.protocol,
        "VITRINE_KAFKA_SASL_MECHANISM": said.mechanism,
        "VITRINE_KAFKA_SASL_USERNAME": said.username,
        "VITRINE_KAFKA_SASL_PASSWORD": said.password,
        "VITRINE_MILVUS": "http://127.0.0.1:1",
    }.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ServiceRefused, match=r"GROUP/vitrine-matcher(.|\n)*Read"):
        worker.main(read_settings(), ["matcher"])
    monkeypatch.delenv("VITRINE_MILVUS")
    with pytest.raises(ServiceRefused, match="GROUP/vitrine-transcriber"):  # which looks for no Milvus
        worker.main(read_settings(), ["transcriber"])
    with pytest.raises(NotRunning, match="Milvus"):
        worker.main(read_settings(), ["matcher"])


def test_a_worker_needs_the_groups_of_its_own_stages_alone(cluster: Secured, service_settings: Settings) -> None:
    settings = replace(service_settings, kafka=cluster.sasl, kafka_security=user("vitrine"))
    cluster.grant(ResourceType.GROUP, "vitrine-summarizer", ACLOperation.READ)
    assert committed_offsets(settings, "", ["summarizer"]) == {"summarizer": {}}
    groups.refuse_without_read(settings, [group_id("summarizer")])
    with pytest.raises(ServiceRefused):
        committed_offsets(settings, "", STAGES)


def test_to_look_at_a_group_is_not_enough_for_a_worker(cluster: Secured, service_settings: Settings) -> None:
    settings = replace(service_settings, kafka=cluster.sasl, kafka_security=user("vitrine"))
    cluster.grant(ResourceType.GROUP, "vitrine-product_encoder", ACLOperation.DESCRIBE)
    assert committed_offsets(settings, "", ["product_encoder"]) == {"product_encoder": {}}
    with pytest.raises(ServiceRefused, match=r"vitrine-product_encoder(.|\n)*Read"):
        groups.refuse_without_read(settings, [group_id("product_encoder")])


def test_who_may_not_see_the_groups_of_a_run_removes_nothing_of_it(
    cluster: Secured, service_settings: Settings
) -> None:
    """A list of groups would lack a worker that this user may not see."""
    settings = replace(service_settings, kafka=cluster.sasl, kafka_security=user("vitrine"))
    make_topics(service_settings, cluster.plain, "hidden")
    named = [group_id(stage, "hidden") for stage in STAGES]
    with reading.connect(settings) as reader:
        stores = RunStores(settings, reader, Services(cluster.sasl, "http://127.0.0.1:1"))
        with pytest.raises(ServiceRefused, match=r"run.hidden.vitrine-(.|\n)*Describe"):
            stores.refuse_played("hidden")
        for name in named:
            cluster.grant(ResourceType.GROUP, name, ACLOperation.DESCRIBE)
        stores.refuse_played("hidden")
        with pytest.raises(ServiceRefused, match=r"refuses this user a consumer group(.|\n)*Delete"):
            groups.delete(settings, named)
        for name in named:
            cluster.grant(ResourceType.GROUP, name, ACLOperation.DELETE)
        groups.delete(settings, named)
