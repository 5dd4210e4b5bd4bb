"""The id that the broker's storage is formatted with."""

from uuid import UUID

import pytest

from infra.kafka import cluster_id

pytestmark = pytest.mark.hermetic


def test_a_cluster_id_never_looks_like_an_option() -> None:
    drawn = iter([UUID(bytes=b"\xf8" + bytes(15)), UUID(int=1)])
    assert cluster_id(lambda: next(drawn)) == "AAAAAAAAAAAAAAAAAAAAAQ"
