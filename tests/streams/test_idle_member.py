"""A worker that has no partition of a topic, as one of two has of the catalogue's, stays ready to take it over."""

import subprocess
import sys
from pathlib import Path

import pytest

from infra.settings import Settings
from infra.topics import TopicSpec, ensure_topics
from tests.streams.idle_member import TOPIC

pytestmark = pytest.mark.broker


def test_who_has_had_nothing_to_read_for_an_hour_is_still_in_the_group(
    broker: str, service_settings: Settings, tmp_path: Path
) -> None:
    ensure_topics([TopicSpec(TOPIC, 1)], broker)
    words = [sys.executable, "-m", "tests.streams.idle_member", broker, str(tmp_path)]
    assert subprocess.run(words, check=False, timeout=90).returncode == 2
