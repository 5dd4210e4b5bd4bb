"""What a worker's probes say while it begins, runs and ends."""

from __future__ import annotations

import asyncio

import pytest

from streams.pulse import Pulse

pytestmark = pytest.mark.hermetic


def test_a_worker_that_is_stopping_is_not_ready() -> None:
    async def life() -> list[str]:
        pulse = Pulse([], {})
        said = [pulse.ready()]
        await pulse.start()
        await asyncio.sleep(0.01)
        said.append(pulse.ready())
        await pulse.stop()
        return [*said, pulse.ready(), pulse.live()]

    assert asyncio.run(life()) == ["the worker is starting", "", "the worker is stopping", ""]
