"""Objects are kept under their sha256, and a dataref is read only from allowed places, up to a limit, and checked."""

from __future__ import annotations

import errno
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import DependencyDown
from infra.objects import RENEWED_AFTER_S, ObjectStore, Refused, Swept, place
from schemas.reasons import Reason
from schemas.reference import Reference

pytestmark = pytest.mark.hermetic

MEDIA = b"media" * 100


def reference(uri: str, data: bytes = MEDIA) -> Reference:
    return Reference(dataref=uri, sha256=sha256(data).hexdigest(), size_bytes=len(data))


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore(str(tmp_path / "objects"))


def refusal(store: ObjectStore, wanted: Reference, max_bytes: int = 10_000) -> Reason:
    with pytest.raises(Refused) as failure:
        store.get(wanted, max_bytes)
    return failure.value.reason


def test_what_was_put_is_got_and_the_same_bytes_have_the_same_reference(store: ObjectStore) -> None:
    first = store.put(MEDIA)
    assert first == store.put(MEDIA)
    assert first == store.named(first.sha256, len(MEDIA))
    assert first.dataref.startswith("file:///")
    assert store.get(first) == MEDIA


def test_a_half_written_object_is_written_again(store: ObjectStore) -> None:
    kept = store.put(MEDIA)
    Path(place(kept.dataref).path).write_bytes(MEDIA[:10])
    assert refusal(store, kept) is Reason.MISMATCH
    assert store.get(store.put(MEDIA)) == MEDIA


@pytest.mark.parametrize(
    "path",
    [
        "secret",
        "objects/../secret",
        "objects/%2e%2e/secret",
        "objects/./../secret",
        "objects/link",
        "objects/folder/secret",
    ],
)
def test_nothing_outside_the_roots_is_read_however_it_is_written(store: ObjectStore, tmp_path: Path, path: str) -> None:
    (tmp_path / "objects").mkdir()
    (tmp_path / "secret").write_bytes(MEDIA)
    (tmp_path / "objects" / "link").symlink_to(tmp_path / "secret")
    (tmp_path / "objects" / "folder").symlink_to(tmp_path)
    assert refusal(store, reference(f"file://{tmp_path}/{path}")) is Reason.FORBIDDEN


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:9/x", "s3://bucket/x", "memory://x", "file://elsewhere/etc/passwd", "/etc/passwd",
        "file:///etc/passwd?x", "file:///a\x00b", "simplecache::file:///etc/passwd", "zip://x::file:///etc/passwd", "",
        "s3://[x/y", "http://[", "file://[/x",
    ],
)  # fmt: skip
def test_other_schemes_hosts_and_chains_are_forbidden(store: ObjectStore, uri: str) -> None:
    assert refusal(store, reference(uri)) is Reason.FORBIDDEN


@pytest.mark.parametrize("name", ["a%00b", "a\x00b", "a::b", "a%3A%3Ab", "memory::x"])
def test_what_no_file_system_can_be_asked_for_is_forbidden(store: ObjectStore, tmp_path: Path, name: str) -> None:
    assert refusal(store, reference(f"file://{tmp_path}/objects/{name}")) is Reason.FORBIDDEN


@pytest.mark.parametrize("name", ["a" * 300, "a/" * 3000, "loop", "loop/a.ts"])
def test_where_no_file_can_lie_there_is_none(store: ObjectStore, tmp_path: Path, name: str) -> None:
    (tmp_path / "objects").mkdir()
    (tmp_path / "objects" / "loop").symlink_to(tmp_path / "objects" / "loop")
    assert refusal(store, reference(f"file://{tmp_path}/objects/{name}")) is Reason.MISSING


def test_a_root_that_was_allowed_is_read_and_its_neighbour_with_the_same_prefix_is_not(tmp_path: Path) -> None:
    store = ObjectStore(str(tmp_path / "objects"), [str(tmp_path / "media")])
    for folder in ("media", "media-private"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.ts").write_bytes(MEDIA)
    assert store.get(reference((tmp_path / "media" / "a.ts").as_uri())) == MEDIA
    assert refusal(store, reference((tmp_path / "media-private" / "a.ts").as_uri())) is Reason.FORBIDDEN


def test_an_object_that_is_too_large_missing_or_another_one_is_refused_by_reason(
    store: ObjectStore, tmp_path: Path
) -> None:
    kept = store.put(MEDIA)
    assert refusal(store, kept, max_bytes=499) is Reason.TOO_LARGE
    assert refusal(store, kept.model_copy(update={"size_bytes": 400})) is Reason.MISMATCH
    assert refusal(store, kept.model_copy(update={"sha256": "0" * 64})) is Reason.MISMATCH
    assert refusal(store, reference(f"file://{tmp_path}/objects/none")) is Reason.MISSING
    assert refusal(store, reference(f"file://{tmp_path}/objects")) is Reason.MISSING


def test_a_file_that_grew_is_not_read_to_its_end(store: ObjectStore) -> None:
    kept = store.put(MEDIA)
    os.truncate(place(kept.dataref).path, 10**12)  # sparse: reading it whole would need a terabyte
    assert refusal(store, kept) is Reason.MISMATCH


def test_a_store_that_cannot_be_written_is_down_and_not_a_bad_message(tmp_path: Path) -> None:
    (tmp_path / "objects").write_text("a file where a folder must be")
    with pytest.raises(DependencyDown, match="VITRINE_OBJECTS"):
        ObjectStore(str(tmp_path / "objects")).put(MEDIA)


def files_of(folder: Path) -> list[Path]:
    return [each for each in folder.rglob("*") if each.is_file()]


def test_a_write_that_fails_leaves_nothing_on_the_full_disk(store: ObjectStore, tmp_path: Path) -> None:
    before, deaf = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(DependencyDown, match="space left"):
            store.put(b"m" * 10_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, deaf)
    assert files_of(tmp_path) == []


def test_what_a_killed_writer_left_expires_too(store: ObjectStore, tmp_path: Path) -> None:
    kept = Path(str(place(store.put(MEDIA).dataref).path))
    kept.rename(kept.with_name(f".{kept.name}.123"))
    assert store.expire(3600) == Swept()
    assert store.expire(-3600) == Swept(1, len(MEDIA))
    assert files_of(tmp_path) == []


def test_objects_expire_by_the_time_of_their_writing(store: ObjectStore) -> None:
    kept = store.put(MEDIA)
    assert store.expire(3600) == Swept()
    assert store.expire(-3600, dry_run=True) == Swept(1, len(MEDIA))
    assert store.expire(-3600, keep={kept.sha256}) == Swept()
    assert store.get(kept) == MEDIA
    assert store.expire(-3600) == Swept(1, len(MEDIA))
    assert refusal(store, kept) is Reason.MISSING


def test_an_object_that_is_put_again_later_expires_by_its_last_use(tmp_path: Path) -> None:
    now_s = [1_000_000.0]
    store = ObjectStore(str(tmp_path / "objects"), clock=lambda: now_s[0])
    kept = store.put(MEDIA)
    once = store.put(b"only once")
    now_s[0] += 2 * RENEWED_AFTER_S
    assert store.put(MEDIA) == kept
    assert store.expire(RENEWED_AFTER_S) == Swept(1, 9)
    assert store.get(kept) == MEDIA
    assert refusal(store, once) is Reason.MISSING


def test_what_lies_beside_the_objects_never_expires(store: ObjectStore, tmp_path: Path) -> None:
    beside = ObjectStore(str(tmp_path / "objects" / "catalogue")).put(MEDIA)
    (tmp_path / "objects" / "notes").write_bytes(MEDIA)
    store.put(MEDIA)
    assert store.expire(-3600) == Swept(1, len(MEDIA))
    assert store.get(beside) == MEDIA


def test_objects_are_removed_by_their_name(store: ObjectStore) -> None:
    kept, gone = store.put(MEDIA), store.put(b"gone")
    assert store.remove({gone.sha256, "0" * 64}) == Swept(1, 4)
    assert store.get(kept) == MEDIA
    assert refusal(store, gone) is Reason.MISSING


def test_a_store_in_another_file_system_keeps_the_same_promises() -> None:
    store = ObjectStore("memory://bucket/objects")
    kept = store.put(MEDIA)
    assert kept == store.named(kept.sha256, len(MEDIA))
    assert store.get(kept) == MEDIA
    assert refusal(store, reference("memory://bucket/objects/../secret")) is Reason.FORBIDDEN
    assert refusal(store, reference("memory://bucket/objects/none")) is Reason.MISSING
    assert store.expire(3600) == Swept()
    assert store.expire(-3600) == Swept(1, len(MEDIA))
    assert refusal(store, kept) is Reason.MISSING


@given(st.text(max_size=40))
def test_no_text_behind_a_root_leads_out_of_it(tail: str) -> None:
    root = place("/srv/vitrine/objects")
    try:
        found = place(f"file:///srv/vitrine/objects/{tail}")
    except Refused:
        return
    assert found.is_inside(root) == str(found.path).startswith("/srv/vitrine/objects")
    assert ".." not in found.path.parts


class Broken(MemoryFileSystem):  # type: ignore[misc]  # fsspec ships no types
    """Does nothing that it is asked, for a reason."""

    protocol = "broken"
    reason: ClassVar[Exception]

    def _open(self, path: str, mode: str = "rb", **_: object) -> object:
        raise self.reason

    def exists(self, path: str, **_: object) -> bool:
        raise self.reason


def broken(reason: Exception) -> ObjectStore:
    """A store in such a file system."""
    Broken.reason = reason
    fsspec.register_implementation("broken", Broken, clobber=True)
    return ObjectStore("broken://bucket/objects")


def test_what_the_library_of_a_file_system_raises_means_that_the_store_is_down() -> None:
    store = broken(pytest.importorskip("aiohttp").ClientError("the server hangs up"))
    with pytest.raises(DependencyDown, match=r"cannot be written.*hangs up"):
        store.put(b"other")
    with pytest.raises(DependencyDown, match=r"cannot be read.*hangs up"):
        store.get(reference("broken://bucket/objects/a.ts"))
    with pytest.raises(DependencyDown, match=r"cannot be removed.*hangs up"):
        store.expire(-3600)


def test_a_bug_in_a_file_system_is_no_outage() -> None:
    with pytest.raises(ZeroDivisionError):
        broken(ZeroDivisionError()).put(b"other")


def test_a_key_that_s3_cannot_have_is_missing_and_any_other_bad_request_an_outage() -> None:
    store = broken(OSError(errno.EINVAL, "Bad Request"))
    assert refusal(store, reference("broken://bucket/objects/" + "ä" * 510)) is Reason.MISSING
    with pytest.raises(DependencyDown, match="Bad Request"):
        store.get(reference("broken://bucket/objects/a.ts"))


def test_s3_that_does_not_answer_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("s3fs")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "any")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    store = ObjectStore("s3://bucket/objects")
    with pytest.raises(DependencyDown, match="cannot be written"):
        store.put(MEDIA)
    with pytest.raises(DependencyDown, match="cannot be read"):
        store.get(reference("s3://bucket/objects/a.ts"))


class Shop(BaseHTTPRequestHandler):
    """A server of files: the path says how it answers."""

    def do_HEAD(self) -> None:
        self._begin()

    def do_GET(self) -> None:
        self._begin()
        if "whole" in self.path:
            self.wfile.write(MEDIA)

    def _begin(self) -> None:
        at = {"/media/gone": 404, "/media/ill": 503}
        self.send_response(at.get(self.path, 200))
        self.send_header("Content-Length", str(len(MEDIA)))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.fixture
def shop() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Shop) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_file_that_a_server_does_not_have_is_missing_and_a_server_that_does_not_give_it_is_down(
    shop: str, tmp_path: Path
) -> None:
    away = "http://127.0.0.1:9"
    store = ObjectStore(str(tmp_path), [f"{shop}/media", f"{away}/media"])
    assert store.get(reference(f"{shop}/media/whole")) == MEDIA
    assert refusal(store, reference(f"{shop}/media/gone")) is Reason.MISSING
    for uri in (f"{shop}/media/ill", f"{shop}/media/half", f"{away}/media/whole"):
        with pytest.raises(DependencyDown, match="cannot be read"):
            store.get(reference(uri))


@pytest.mark.parametrize(
    "name", ["%252e%252e/private/whole", "%25%32%65%252e/private/whole", "gone%3Fwhole", "x%23/../whole"]
)
def test_a_server_is_asked_for_the_path_that_was_checked(name: str, tmp_path: Path) -> None:
    asked = list[str]()

    class Told(Shop):
        def _begin(self) -> None:
            asked.append(self.path)
            super()._begin()

    with ThreadingHTTPServer(("127.0.0.1", 0), Told) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        root = f"http://127.0.0.1:{server.server_port}/media"
        with suppress(Refused):
            ObjectStore(str(tmp_path), [root]).get(reference(f"{root}/{name}"))
        server.shutdown()
    assert all(path.startswith("/media/") and "?" not in path for path in asked)


def test_a_name_with_letters_of_any_script_is_found_on_a_server(shop: str, tmp_path: Path) -> None:
    store = ObjectStore(str(tmp_path), [f"{shop}/media"])
    assert store.get(reference(f"{shop}/media/%E5%89%83%20whole+1")) == MEDIA
