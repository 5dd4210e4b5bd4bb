"""What a Milvus server answers when it is busy, starting or unwilling is told apart from a bug, and by name."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from pymilvus import MilvusException
from pymilvus.client.connection_manager import ConnectionManager
from pymilvus.grpc_gen import milvus_pb2

from infra import doctor, milvus
from infra.errors import ServiceRefused
from infra.live_rows import LiveRows
from infra.milvus_failures import is_transient, refusal
from infra.milvus_vectors import MilvusVectors, Place
from infra.settings import read_settings

pytestmark = pytest.mark.hermetic


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (1, "[search] Retry timeout: 3.0s, StatusCode.CANCELLED, Channel closed!, debug=CANCELLED:Channel closed!"),
        (1, "Cannot invoke RPC on closed channel!"),
        (1, "[load_collection] Retry timeout: 5.0s, message=[wait_for_loading_collection] Retry timeout: 5.0s"),
        (1, "[flush] Retry timeout: 5.0s, message=wait for flush timeout, collection: vitrine_t_live"),
        (1, "service not ready[proxy=1]: Initializing"),
        (9, "quota exceeded[reason=force to deny]"),
        (101, "collection not loaded[collection=451]"),
        (503, "channel not available[channel=by-dev-rootcoord-dml_0_451v0]"),
        (700, "index not found[collection=vitrine_t_catalogue]"),
    ],
)
def test_what_passes_by_waiting_is_an_outage_and_not_a_bug(code: int, said: str) -> None:
    """As pymilvus words it where another thread has given up the connection that all share, and as Milvus 2.3 does."""
    assert is_transient(MilvusException(code=code, message=said))


@pytest.mark.parametrize("code", [1100, 65535])
def test_a_question_that_is_wrong_is_a_bug(code: int) -> None:
    assert not is_transient(MilvusException(code=code, message="cannot parse expression"))


@pytest.mark.parametrize(
    ("code", "said"), [(800, "database not found[database=shop]"), (65535, "database:shop not found")]
)
def test_a_database_that_is_not_there_is_named(code: int, said: str) -> None:
    refused = refusal(MilvusException(code=code, message=said), "http://milvus:19530/shop")
    assert refused is not None
    assert (said in refused.what, "VITRINE_MILVUS" in refused.remedy) == (True, True)


class Old(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types
    """A server that answers all with nothing, and tells its version."""

    def service(self, call: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        version = milvus_pb2.GetVersionResponse(version="v2.3.1-lite").SerializeToString()
        said = version if call.method.endswith("/GetVersion") else b""
        return grpc.unary_unary_rpc_method_handler(lambda _request, _context: said)


def test_the_doctor_tells_of_a_server_that_is_too_old(tmp_path: Path) -> None:
    with serving(Old()) as uri:
        settings = read_settings({"VITRINE_DATA": str(tmp_path), "VITRINE_MILVUS": uri})
        row = doctor._milvus(settings)
    assert (row.found, row.ok) == (f"version v2.3.1-lite at {uri} is too old", False)
    assert row.remedy == "a Milvus server from 2.3.5 on"


@pytest.mark.parametrize(
    ("version", "old"),
    [("v2.3.4", True), ("2.2.16", True), ("v2.3.5-lite", False), ("2.10.0", False), ("v3.0.2", False), ("main", False)],
)
def test_versions_are_compared_as_numbers(version: str, old: bool) -> None:
    assert milvus.too_old(version) is old


class Refusing(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types
    """A server that lets some calls through with an empty answer, and aborts all others."""

    def __init__(self, status: grpc.StatusCode, details: str, allowed: tuple[str, ...] = ()) -> None:
        self._status, self._details, self._allowed = status, details, allowed

    def service(self, call: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        def answer(_request: bytes, context: grpc.ServicerContext) -> bytes:
            if not call.method.endswith(self._allowed or ("/none",)):
                context.abort(self._status, self._details)
            return b""

        return grpc.unary_unary_rpc_method_handler(answer)


@contextmanager
def serving(handler: grpc.GenericRpcHandler) -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(4), handlers=[handler])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


def test_a_token_that_is_refused_is_named_and_not_called_an_absence() -> None:
    handler = Refusing(grpc.StatusCode.UNAUTHENTICATED, "auth check failure, please check username and password")
    with serving(handler) as uri:
        for ask in (
            lambda: milvus.ask(uri, "root:wrong", within_s=5.0),
            lambda: MilvusVectors(Place(uri, "s", 8, token="root:wrong")).catalogue_size(),
            lambda: LiveRows(uri, "root:wrong").of_stream("s"),
        ):
            with pytest.raises(ServiceRefused, match="refuses: auth check failure") as refused:
                ask()
            assert "VITRINE_MILVUS_TOKEN" in refused.value.remedy


def test_a_right_that_is_missing_is_named() -> None:
    handler = Refusing(grpc.StatusCode.PERMISSION_DENIED, "PrivilegeLoad: permission deny to reader", ("/Connect",))
    with serving(handler) as uri:
        for ask in (
            lambda: milvus.ask(uri, "", within_s=5.0),
            MilvusVectors(Place(uri, "s", 8)).catalogue_size,
            lambda: LiveRows(uri).of_stream("s"),
        ):
            with pytest.raises(ServiceRefused, match="refuses: PrivilegeLoad"):
                ask()


def test_a_connection_whose_collections_cannot_be_opened_is_closed() -> None:
    handler = Refusing(grpc.StatusCode.PERMISSION_DENIED, "PrivilegeLoad: permission deny to reader", ("/Connect",))
    manager = ConnectionManager.get_instance()
    before = manager.get_stats()["dedicated_connections"]
    with serving(handler) as uri, pytest.raises(ServiceRefused):
        MilvusVectors(Place(uri, "s", 8)).catalogue_size()
    assert manager.get_stats()["dedicated_connections"] == before
