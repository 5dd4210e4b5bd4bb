"""Bytes that are too big for a message ↔ a reference to them: content-addressed, and read only from allowed places.

What one would get wrong: a ``dataref`` comes from whoever may write to the topic. It is resolved first (``..``, links,
percent signs), compared with the allowed roots after that, read up to a limit and no further, and believed only when
its sha256 and its size are those promised.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast
from urllib.parse import quote, unquote, urlsplit

import fsspec

from infra.errors import DependencyDown, ObjectRefused
from schemas.reasons import Reason
from schemas.reference import Reference

LOCAL = ("", "file", "local")
RENEWED_AFTER_S = 24 * 3600.0
"""An object that is put again when it is older is written anew, so that it expires by its last use."""
MAX_BYTES = 512 * 1024 * 1024
"""Of one object; a segment of 60 s at 50 Mbit/s has 375 MB."""
BACKENDS = {
    "aiohttp": ("ClientError",),
    "azure.core.exceptions": ("AzureError",),
    "botocore.exceptions": ("BotoCoreError", "ClientError"),
    "gcsfs.retry": ("HttpError",),
    "google.auth.exceptions": ("GoogleAuthError",),
}
"""What the libraries below fsspec's file systems raise that is no OSError, for HTTP, Azure, S3 and Google."""
WEB = ("http", "https")
OBJECT = re.compile(r"(\.)?(?P<sha256>[0-9a-f]{64})(?(1)\.\d+)")
"""The name of an object, and that of one that is being written."""
UNNAMEABLE = (errno.ENAMETOOLONG, errno.ELOOP)
"""Nothing can lie under such a name."""
MAX_KEY_BYTES = 1024
"""The longest key of S3. Asked for a longer one, it only says that the request is bad."""


class Refused(ObjectRefused):
    """An object was not read, with the :class:`schemas.reasons.Reason` that the message gets."""

    def __init__(self, reason: Reason, what: str, remedy: str = "") -> None:
        super().__init__(what, remedy=remedy)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Place:
    """A URI taken apart and resolved: ``path`` has no ``..`` and, for local files, no link."""

    scheme: str
    authority: str
    path: PurePosixPath

    @property
    def uri(self) -> str:
        """As fsspec wants it."""
        if self.scheme == "file":
            return str(self.path)
        # a web server decodes the path once more: it must find the one that was checked
        path = quote(str(self.path)) if self.scheme in WEB else self.path
        return f"{self.scheme}://{self.authority}{path}"

    def is_inside(self, root: Place) -> bool:
        """Whether it lies below the root, or is it."""
        same = (self.scheme, self.authority) == (root.scheme, root.authority)
        return same and self.path.is_relative_to(root.path)


def place(uri: str) -> Place:
    """Resolve a path or a URI. Raises :class:`Refused` (``Forbidden``) for one that cannot be resolved safely."""
    try:
        found = _resolved(uri)
    except ValueError as wrong:
        raise Refused(Reason.FORBIDDEN, f"a dataref must be a path or a URI: {_shown(uri)}") from wrong
    if "\x00" in found.uri or "::" in found.uri:
        raise Refused(Reason.FORBIDDEN, f"a dataref may have neither a null byte nor '::': {_shown(uri)}")
    return found


def _resolved(uri: str) -> Place:
    parts = urlsplit(uri)
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise Refused(Reason.FORBIDDEN, f"a dataref may have neither a query nor credentials: {_shown(uri)}")
    if parts.scheme in LOCAL:
        if parts.netloc not in ("", "localhost"):
            raise Refused(Reason.FORBIDDEN, f"a file on another machine: {_shown(uri)}")
        text = unquote(parts.path) if parts.scheme else uri
        # unlike Path.resolve, it leaves a loop of links as it is: whoever opens that is told
        return Place("file", "", PurePosixPath(os.path.realpath(text)))
    path = PurePosixPath("/", unquote(parts.path).lstrip("/"))
    if ".." in path.parts:
        raise Refused(Reason.FORBIDDEN, f"a dataref may not climb with '..': {_shown(uri)}")
    return Place(parts.scheme, parts.netloc, path)


def failures() -> tuple[type[Exception], ...]:
    """What is raised when a store cannot be used: by the system, and by those of the `BACKENDS` that are loaded."""
    loaded = ((sys.modules[name], kinds) for name, kinds in BACKENDS.items() if name in sys.modules)
    return (OSError, ImportError, *(getattr(module, kind) for module, kinds in loaded for kind in kinds))


@dataclass(frozen=True, slots=True)
class Swept:
    """What was removed, or would be."""

    objects: int = 0
    size_bytes: int = 0


class ObjectStore:
    """Writes below one root and reads from several. Made without I/O."""

    def __init__(self, root: str, readable: Sequence[str] = (), clock: Callable[[], float] = time.time) -> None:
        self._root = place(root)
        self._clock = clock
        self._readable = tuple({self._root: None, **{place(each): None for each in readable}})

    def put(self, data: bytes) -> Reference:
        """Keep the bytes under their sha256: the same bytes give the same reference, and are written once a day.

        Raises :class:`infra.errors.DependencyDown` when the store cannot be written.
        """
        digest = hashlib.sha256(data).hexdigest()
        target = self._target(digest)
        try:
            files, path = fsspec.core.url_to_fs(target.uri)
            there = files.info(path) if files.exists(path) else {}
            if there.get("size") != len(data) or _written_s(there) < self._clock() - RENEWED_AFTER_S:
                self._write(target, data)
        except failures() as failure:
            raise DependencyDown(
                f"an object cannot be written to {self._root.uri}: {failure}",
                remedy="look at VITRINE_OBJECTS, its rights and the space left",
            ) from failure
        return self.named(digest, len(data))

    def named(self, sha256: str, size_bytes: int) -> Reference:
        """The reference that :meth:`put` gives for the bytes of this sha256 and size, whether or not they are there."""
        target = self._target(sha256)
        uri = Path(target.path).as_uri() if target.scheme == "file" else target.uri
        return Reference(dataref=uri, sha256=sha256, size_bytes=size_bytes)

    def get(self, reference: Reference, max_bytes: int = MAX_BYTES) -> bytes:
        """The bytes, checked. Raises :class:`Refused` (``Forbidden``, ``TooLarge``, ``Missing``, ``Mismatch``) or,
        when the store does not answer, :class:`infra.errors.DependencyDown`."""
        found = self._allowed(reference.dataref)
        if reference.size_bytes > max_bytes:
            raise Refused(
                Reason.TOO_LARGE,
                f"{_shown(reference.dataref)} has {reference.size_bytes} bytes, the limit is {max_bytes}",
            )
        data = self._read(found, min(reference.size_bytes, max_bytes) + 1)
        if len(data) != reference.size_bytes or hashlib.sha256(data).hexdigest() != reference.sha256:
            raise Refused(
                Reason.MISMATCH,
                f"{_shown(reference.dataref)} is not the object with sha256 {reference.sha256} and its size",
                remedy="push the segment again, with the sha256 and the size of what is there",
            )
        return data

    def expire(self, older_than_s: float, keep: Collection[str] = (), *, dry_run: bool = False) -> Swept:
        """Delete the objects of this store that were last put longer ago, but those whose sha256 is to be kept.

        Raises :class:`infra.errors.DependencyDown`.
        """
        limit = self._clock() - older_than_s
        return self._sweep(lambda digest, written_s: written_s < limit and digest not in keep, dry_run=dry_run)

    def remove(self, digests: Collection[str], *, dry_run: bool = False) -> Swept:
        """Delete these objects of this store, by their sha256. Raises :class:`infra.errors.DependencyDown`."""
        return self._sweep(lambda digest, _: digest in digests, dry_run=dry_run)

    def _sweep(self, goes: Callable[[str, float], bool], *, dry_run: bool) -> Swept:
        count = size = 0
        try:
            files, root = fsspec.core.url_to_fs(self._root.uri)
            for digest, entry in _kept(files, root):
                if goes(digest, _written_s(entry)):
                    count, size = count + 1, size + int(entry["size"] or 0)
                    if not dry_run:
                        files.rm_file(entry["name"])
        except failures() as failure:
            raise DependencyDown(
                f"objects in {self._root.uri} cannot be removed: {failure}", remedy="look at VITRINE_OBJECTS"
            ) from failure
        return Swept(count, size)

    def _target(self, digest: str) -> Place:
        return Place(self._root.scheme, self._root.authority, self._root.path / digest[:2] / digest)

    def _allowed(self, dataref: str) -> Place:
        found = place(dataref)
        if not any(found.is_inside(root) for root in self._readable):
            raise Refused(
                Reason.FORBIDDEN,
                f"{_shown(dataref)} lies outside the allowed roots",
                remedy="add its root to VITRINE_DATAREF_ROOTS if it may be read",
            )
        return found

    def _write(self, target: Place, data: bytes) -> None:
        """Local files appear whole under their name or not at all; object stores do so by themselves."""
        if target.scheme != "file":
            with fsspec.open(target.uri, "wb") as stream:
                stream.write(data)
            return
        file = Path(target.path)
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh = file.with_name(f".{file.name}.{time.monotonic_ns()}")
        try:
            fresh.write_bytes(data)
            os.utime(fresh, (self._clock(), self._clock()))
            fresh.replace(file)
        finally:
            fresh.unlink(missing_ok=True)  # else each new try would take more of a disk that is full

    def _read(self, found: Place, limit: int) -> bytes:
        try:
            files, path = fsspec.core.url_to_fs(found.uri)
            with files.open(path, "rb") as stream:
                return cast(BinaryIO, stream).read(limit)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as absent:
            if found.scheme in WEB and _is_outage(absent.__cause__):
                raise _unread(found, absent.__cause__) from absent
            raise Refused(Reason.MISSING, f"there is no object at {_shown(found.uri)}") from absent
        except PermissionError as closed:
            raise Refused(Reason.FORBIDDEN, f"{_shown(found.uri)} may not be read by this process") from closed
        except failures() as failure:
            if _is_for_its_name(found, failure):
                raise Refused(Reason.MISSING, f"nothing can lie at {_shown(found.uri)}") from failure
            raise _unread(found, failure) from failure


def _unread(found: Place, failure: BaseException | None) -> DependencyDown:
    return DependencyDown(f"{_shown(found.uri)} cannot be read: {failure}", remedy="it is tried again")


def _is_outage(cause: BaseException | None) -> bool:
    """Whether a web server failed: fsspec reports each of its failures as a missing file, with the cause behind it."""
    status = getattr(cause, "status", 503)
    return isinstance(cause, failures()) and (status in (408, 429) or status >= 500)


def _is_for_its_name(found: Place, failure: Exception) -> bool:
    """Whether the read failed because no object can have this name."""
    number = failure.errno if isinstance(failure, OSError) else None
    is_long = len(str(found.path).encode()) - 1 > MAX_KEY_BYTES
    return number in UNNAMEABLE or (is_long and found.scheme != "file" and number == errno.EINVAL)


def _kept(files: fsspec.AbstractFileSystem, root: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects below a root by their sha256, also what is left of one whose writer was killed; not other folders,
    such as the catalogue's."""
    if not files.exists(root):
        return
    for folder in files.ls(root, detail=True, refresh=True):
        if folder["type"] == "directory" and re.fullmatch("[0-9a-f]{2}", PurePosixPath(folder["name"]).name):
            for entry in files.ls(folder["name"], detail=True, refresh=True):
                named = OBJECT.fullmatch(PurePosixPath(entry["name"]).name)
                if named and entry["type"] == "file":
                    yield named["sha256"], entry


def _written_s(entry: dict[str, Any]) -> float:
    """When an object was written, in epoch seconds, as the file systems of fsspec name it; 0: it does not say."""
    for name in ("mtime", "LastModified", "last_modified", "updated", "created"):
        at = entry.get(name)
        if isinstance(at, datetime):
            return at.timestamp()
        if isinstance(at, int | float):
            return float(at)
    return 0.0


def _shown(uri: str) -> str:
    """Fit for a log and a terminal: no control characters, at most 200 characters."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in uri[:200])
