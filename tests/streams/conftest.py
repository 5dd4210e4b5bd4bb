"""The recorded world on the real broker: its topics, its catalogue and its segments, pushed once."""

from dataclasses import replace

import pytest
from kafka import KafkaProducer

from infra.settings import Settings
from streams.topics import make_topics
from streams.topology import PRODUCTS, SEGMENTS
from tests.streams.world import catalogue, recorded


@pytest.fixture(scope="session")
def recorded_world(service_settings: Settings, broker: str, milvus_uri: str) -> Settings:
    """Settings that lead to the recorded world."""
    settings = replace(service_settings, kafka=broker, milvus=milvus_uri)
    make_topics(settings, broker)
    producer = KafkaProducer(bootstrap_servers=broker, acks="all")
    for topic, messages in ((PRODUCTS, catalogue()), (SEGMENTS, recorded())):
        for key, value, headers in messages:
            producer.send(topic.name, key=key, value=value, headers=list(headers.items()))
    producer.flush()
    producer.close()
    return settings
