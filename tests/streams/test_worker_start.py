"""How a worker begins."""

import gc

import pytest

from streams.worker import here_to_stay

pytestmark = pytest.mark.hermetic


def test_what_a_worker_loads_is_left_out_of_later_collections() -> None:
    before = gc.get_freeze_count()
    with here_to_stay():
        assert not gc.isenabled()
        loaded: list[list[int]] = [[] for _ in range(10_000)]
    assert gc.isenabled()
    assert gc.get_freeze_count() - before >= len(loaded)


def test_garbage_is_collected_again_where_nothing_could_be_loaded() -> None:
    with pytest.raises(OSError), here_to_stay():
        raise OSError
    assert gc.isenabled()
