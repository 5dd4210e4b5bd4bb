"""The folder of the ROPE data set → views: product pages, short videos and live clips of the same products.

Layout, from the README of github.com/adxcreative/COPE: nine text files for the training set, a row a line with commas
between the fields. ``training_product_{pages,videos,lives}_pair.txt`` pair product and view ids; ``…_page_titles``,
``…_video_asrs`` and ``…_live_asrs`` give a view's text; ``…_page_images`` its picture, ``…_video_frames`` and
``…_live_clips`` its frames, each with the number or time that orders them. Text reads 空 ("empty") where there is none,
as the group's own loader takes it.

Not published, and assumed here: that the files of the test set are named alike, with ``test_`` in front; and where the
pictures are put that one downloads (the files give names, to be appended to a published address): a folder of one's
choice, ``images`` beside the files by default. There is no sound: what was said is given as text, and only as text.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from encoders.engines import Domain
from encoders.layouts.rows import LayoutError, rows
from encoders.manifest import Split, View

PREFIXES: dict[str, Split] = {"training": "train", "test": "test"}
NOTHING = "空"
_COMMA = ","


@dataclass(frozen=True, slots=True)
class _Files:
    """How the files of one domain are called, without prefix and ending."""

    domain: Domain
    pairs: str
    texts: str
    pictures: str
    order: str = ""
    """The field that orders the pictures; a page has one picture and no such field."""


_DOMAINS = (
    _Files(Domain.PAGE, "product_pages_pair", "page_titles", "page_images"),
    _Files(Domain.VIDEO, "product_videos_pair", "video_asrs", "video_frames", "frame number"),
    _Files(Domain.LIVE, "product_lives_pair", "live_asrs", "live_clips", "timestamp"),
)


def read_rope(folder: Path, images: Path | None = None) -> Iterator[View]:
    """The views, pages first; media paths begin with the folder of the pictures. Raises `LayoutError`.

    Needs memory for the texts and picture names of one domain of one split.
    """
    found = [prefix for prefix in PREFIXES if (folder / f"{prefix}_{_DOMAINS[0].pairs}.txt").is_file()]
    if not found:
        raise LayoutError(f"{folder} holds no training_{_DOMAINS[0].pairs}.txt: is it the folder of ROPE's text files?")
    for prefix in found:
        for files in _DOMAINS:
            yield from _views(folder / prefix, files, images or folder / "images")


def _views(start: Path, files: _Files, images: Path) -> Iterator[View]:
    split = PREFIXES[start.name]
    texts = {row[0]: row[1] for row in rows(_file(start, files.texts), ("id", "text"), _COMMA)}
    pictures = _pictures(start, files)
    pairs = dict.fromkeys(rows(_file(start, files.pairs), ("product id", "view id"), _COMMA, exact=True))
    for product, number in pairs:
        text = texts.get(number, NOTHING)
        said = {"text" if files.domain is Domain.PAGE else "spoken": "" if text == NOTHING else text}
        names = tuple(str(images / name) for name in pictures.get(number, ()))
        seen = {"media": names[0] if names else None} if files.domain is Domain.PAGE else {"frames": names}
        told = {"view_id": f"{product}/{files.domain}/{number}", "product_id": product, "domain": files.domain}
        yield View.model_validate({**told, **said, **seen, "split": split})


def _pictures(start: Path, files: _Files) -> dict[str, list[str]]:
    """The picture names of each view, in the order of time."""
    path = _file(start, files.pictures)
    ordered = defaultdict[str, list[tuple[int, str]]](list)
    fields = ("id", *((files.order,) if files.order else ()), "image name")
    for number, row in enumerate(rows(path, fields, _COMMA, exact=True), 1):
        at = row[1] if files.order else "0"
        if not at.isdecimal():
            raise LayoutError(f"{path}: row {number}: {files.order} is {at!r}, expected a whole number")
        ordered[row[0]].append((int(at), row[-1]))
    return {view: [name for _, name in sorted(found)] for view, found in ordered.items()}


def _file(start: Path, name: str) -> Path:
    return start.with_name(f"{start.name}_{name}.txt")
