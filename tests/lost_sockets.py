"""Tests in which brokers end, freeze or refuse: kafka-python leaves the sockets of such connections unclosed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest

Test = TypeVar("Test", bound=Callable[..., None])

UNRAISABLE = "ignore:.*ignored.*ocket:pytest.PytestUnraisableExceptionWarning"
UNCLOSED = "ignore:.*unclosed.*ocket:ResourceWarning"


def loses_sockets(test: Test) -> Test:
    """A test that may lose such sockets: they are collected at its end, and neither told of it nor of a later one."""
    for mark in (pytest.mark.filterwarnings(UNRAISABLE, UNCLOSED), pytest.mark.usefixtures("lost_sockets_collected")):
        test = mark(test)
    return test
