"""A jar is used only when its sha256 is the pinned one; what cannot be had is named."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from infra.errors import JarRejected
from infra.jars import Pin, ensure, missing, read_pins

pytestmark = pytest.mark.broker  # fetching needs the network where the jars are not cached, as the broker does


def test_the_pins_name_46_different_jars() -> None:
    pins = read_pins()
    assert len({pin.file_name for pin in pins}) == 46
    assert all(len(pin.sha256) == 64 and pin.version for pin in pins)


def test_a_jar_that_was_cut_off_or_changed_counts_as_missing(tmp_path: Path) -> None:
    pins = tuple(
        Pin(sha256(name).hexdigest(), "org.example", name.decode(), "1") for name in (b"good", b"cut", b"none")
    )
    (tmp_path / "good-1.jar").write_bytes(b"good")
    (tmp_path / "cut-1.jar").write_bytes(b"cu")
    assert [pin.artifact for pin in missing(tmp_path, pins)] == ["cut", "none"]


def test_jars_that_are_there_are_not_fetched_again(tmp_path: Path) -> None:
    pin = Pin(sha256(b"good").hexdigest(), "org.example", "good", "1")
    (tmp_path / "good-1.jar").write_bytes(b"good")
    assert ensure(tmp_path, (pin,), pytest.fail) == (tmp_path / "good-1.jar",)


@pytest.mark.parametrize("changed", [{"sha256": "0" * 64}, {"version": "0.0.0-never-released"}])
def test_a_jar_that_is_not_the_pinned_one_is_rejected_and_leaves_nothing_behind(
    tmp_path: Path, changed: dict[str, str]
) -> None:
    (pin,) = (pin for pin in read_pins() if pin.artifact == "slf4j-simple")
    with pytest.raises(JarRejected, match=r"org\.slf4j:slf4j-simple:(.|\n)*remedy: "):
        ensure(tmp_path, (replace(pin, **changed),), print)
    assert list(tmp_path.glob("*.jar")) == []
