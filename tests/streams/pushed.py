"""What tests of ingest share: a command line on the broker of this run, and what it pushed."""

import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from infra.settings import Settings
from schemas.event import Event
from schemas.room import StreamEnded
from schemas.segment import Segment
from streams import reading
from streams.topics import make_topics
from streams.topology import SEGMENTS
from tests.encoders.test_remux import numbers


@pytest.fixture(scope="module")
def settings(service_settings: Settings, broker: str) -> Settings:
    here = replace(service_settings, kafka=broker)
    make_topics(here, broker)
    return here


@pytest.fixture
def shell(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The environment of a command line on this broker; the folder that it works in."""
    monkeypatch.setenv("VITRINE_KAFKA", settings.kafka)
    monkeypatch.setenv("VITRINE_DATA", str(tmp_path / "data"))
    return tmp_path


def events(settings: Settings, topic: str, subject: str) -> list[Event]:
    """What a topic holds of one stream or product, in order."""
    with reading.connect(settings) as reader:
        found = [reading.understood(record) for record in reader.records(topic)]
    return [one.event for one in found if one and one.event.subject == subject]


def pushed(settings: Settings, stream: str, reason: str | None = None) -> list[Segment]:
    """The segments of an ended stream, each beginning where the one before ended, or saying why not."""
    *found, ended = events(settings, SEGMENTS.name, stream)
    segments = [one for one in found if isinstance(one, Segment)]
    assert isinstance(ended, StreamEnded)
    assert reason in (None, ended.reason)
    assert [one.sequence for one in segments] == list(range(len(segments)))
    ends = [0, *(one.end_ms for one in segments)]
    assert [one.start_ms - one.missing_ms for one in segments] == ends[:-1]
    return segments


def frames(segments: list[Segment]) -> list[int]:
    return [number for one in segments for number in numbers(one.media)]


def later(*steps: object) -> threading.Thread:
    """Run steps in a thread: a number waits so many seconds, anything else is called."""

    def go() -> None:
        for step in steps:
            if callable(step):
                step()
            elif isinstance(step, float):
                time.sleep(step)

    thread = threading.Thread(target=go, daemon=True)
    thread.start()
    return thread
