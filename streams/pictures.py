"""a place named in a catalogue line → the picture or short video that lies there, told apart by its first bytes.

What one would get wrong: a name's ending says nothing (shops serve WebP as ``.jpg``), and an error page is no picture.
"""

import re
import time
from http.client import HTTPException, HTTPResponse, InvalidURL
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import Request, urlopen

from schemas.product import Picture

MAX_BYTES = 64 * 1024 * 1024
"""A short video of a minute or two; a page image is far below."""
READ_BYTES = 64 * 1024
FETCH_WITHIN_S = 30.0
"""Between two answers of a server."""
WHOLE_WITHIN_S = 300.0
"""Of a server that trickles."""

_IMAGES = ((b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG\r\n\x1a\n", "image/png"), (b"GIF8", "image/gif"))
_VIDEOS = ((b"\x1aE\xdf\xa3", "video/webm"), (b"\x47", "video/mp2t"))


class NoPicture(ValueError):
    """There is nothing usable at this place; the message names it and says why."""


def image(place: str, folder: Path, within_s: float = WHOLE_WITHIN_S) -> Picture:
    """The still picture at a path (relative to `folder`), or at a file, http or https URL. Raises `NoPicture`."""
    data = _read(place, folder, within_s)
    return Picture(
        content_type=_kind(data, shown(place), "a JPEG, PNG, WebP or GIF picture", image_type(data)), data=data
    )


def video(place: str, folder: Path) -> Picture:
    """The short video at such a place. Raises `NoPicture`."""
    data = _read(place, folder, WHOLE_WITHIN_S)
    return Picture(content_type=_kind(data, place, "an MP4, WebM or MPEG-TS video", _video_type(data)), data=data)


def shown(place: str) -> str:
    """An address without user, password and query, which may be secrets; a path as it is."""
    if "://" not in place:
        return place
    return re.sub(r"[?#].*", "?…", re.sub(r"(?<=://)[^/?#]*@", "", place), flags=re.DOTALL)


def _kind(data: bytes, place: str, wanted: str, found: str | None) -> str:
    if not data:
        raise NoPicture(f"{shown(place)} is empty")
    if found is None:
        raise NoPicture(f"{shown(place)} is not {wanted}: it begins with {data[:8]!r}")
    return found


def image_type(data: bytes) -> str | None:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for magic, kind in _IMAGES if data.startswith(magic)), None)


def _video_type(data: bytes) -> str | None:
    if data[4:8] == b"ftyp":
        return "video/mp4"
    return next((kind for magic, kind in _VIDEOS if data.startswith(magic)), None)


def _read(place: str, folder: Path, within_s: float) -> bytes:
    try:
        url = urlsplit(place)
    except ValueError as error:
        raise NoPicture(f"{shown(place)} is no URL: {error}") from None
    if url.scheme in ("http", "https"):
        if "@" in url.netloc:
            raise NoPicture(f"{shown(place)}: user and password in an address are not sent; give one without")
        return _fetch(place, within_s)
    if url.scheme == "file":
        return _load(Path(unquote(url.path)))
    if "://" in place:
        raise NoPicture(f"{shown(place)}: {url.scheme}: is not read here; give a path, or a file, http or https URL")
    return _load(folder / place)


def _load(path: Path) -> bytes:
    try:
        with path.open("rb") as opened:
            data = opened.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise NoPicture(f"{path} cannot be read: {reason}") from error
    return _bounded(data, str(path))


def _fetch(url: str, within_s: float) -> bytes:
    if re.search(r"[\x00-\x20\x7f]", url) or not url.isascii():
        raise NoPicture(f"{shown(url)} is no URL: a blank is written as %20, what is not ASCII alike")
    try:
        with urlopen(Request(url, headers={"User-Agent": "vitrine"}), timeout=FETCH_WITHIN_S) as answer:
            data = _whole(answer, within_s)
    except InvalidURL as error:
        raise NoPicture(f"{shown(url)} is no URL: {error}") from error
    except (OSError, ValueError, HTTPException) as error:
        raise NoPicture(f"{shown(url)} cannot be fetched: {error}") from error
    return _bounded(data, shown(url))


def _whole(answer: HTTPResponse, within_s: float) -> bytes:
    """All that was announced, as far as it is not too large. Raises `OSError`."""
    data, until_s = bytearray(), time.monotonic() + within_s
    while len(data) <= MAX_BYTES and (part := answer.read1(READ_BYTES)):
        data += part
        if time.monotonic() > until_s:
            raise TimeoutError(f"it was not complete after {within_s:g} s")
    left = getattr(answer, "length", None)  # a redirection to FTP tells none
    if left and len(data) <= MAX_BYTES:
        raise ConnectionError(f"it broke off {left} bytes before its end")
    return bytes(data)


def _bounded(data: bytes, place: str) -> bytes:
    if len(data) > MAX_BYTES:
        raise NoPicture(f"{place} is larger than {MAX_BYTES} bytes")
    return data
