"""Fixtures that every folder may ask for: one broker and one Milvus Lite for the whole run, on ports of their own.

They never touch a cluster that Vitrine's settings name: tests create and delete topics and collections as they like.
The server that ``MILVUS_UNDER_TEST`` names stands in for Milvus Lite, but where a test starts and kills one of its own.
"""

from __future__ import annotations

import gc
import os
import warnings
from collections.abc import Iterator

import hypothesis
import pytest

from infra.settings import Settings, read_settings

gc.disable()  # while torch and transformers are imported: going through their objects takes a third of that time

hypothesis.settings.register_profile("vitrine", deadline=None, max_examples=60, print_blob=True)
hypothesis.settings.load_profile("vitrine")  # no deadline: how fast a case is says nothing of whether it is right


@pytest.fixture(scope="session")
def service_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings whose data are in a temporary folder; the jars are taken from the user's cache."""
    environ = {"VITRINE_DATA": str(tmp_path_factory.mktemp("data"))}
    if cache := os.environ.get("VITRINE_CACHE"):
        environ["VITRINE_CACHE"] = cache
    return read_settings(environ)


@pytest.fixture(scope="session")
def broker(service_settings: Settings) -> Iterator[str]:
    """The bootstrap address of the embedded Kafka of this run; take topic names that no other test has."""
    from infra import kafka  # here and not above: tests that need no broker do not wait for its client

    address, child = kafka.start(service_settings, attached=True, say=print)
    yield address
    child.stop()


@pytest.fixture(scope="session")
def milvus_uri(service_settings: Settings) -> Iterator[str]:
    """The URI of the embedded Milvus Lite of this run, or of the server that ``MILVUS_UNDER_TEST`` names.

    Take collection names that no other test has.
    """
    if server := os.environ.get("MILVUS_UNDER_TEST"):
        yield server
        return
    from infra import milvus

    uri, child = milvus.start(service_settings, attached=True, say=print)
    yield uri
    child.stop()
    milvus.refuse_damage(child.command.log)


@pytest.fixture
def lost_sockets_collected() -> Iterator[None]:
    """For `tests.lost_sockets.loses_sockets`."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def pytest_collection_finish() -> None:
    """Collect garbage again, but for what was imported: it stays."""
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Checkpoints are large and not part of the repository: their tests run where a folder holds them."""
    if os.environ.get("VITRINE_MODELS"):
        return
    absent = pytest.mark.skip(reason="VITRINE_MODELS names no folder with public checkpoints")
    for item in items:
        if item.get_closest_marker("checkpoint"):
            item.add_marker(absent)
