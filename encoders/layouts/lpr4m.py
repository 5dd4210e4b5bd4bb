"""The folder of LPR4M (as LPR750K is published) → views: shop images as pages, clips of live streams as live views.

Layout, from the README and the loader of github.com/deepalchemist/crossview-semantic-alignment:

- ``annotations/training_videoinfo_*.txt``, ten fields with tabs between: clip id, list of frame paths, a field that the
  loader does not read, image id, image path, image title, category id and name, SPU id, ASR text. Paths are relative to
  the data set's folder. The file that ends in ``_val`` is the validation split.
- ``annotations/query_tenframes.json``: test clip id → ``frames``, relative to ``query/``;
  ``annotations/test_videoid_to_gtimage_20079.json``: test clip id → the ids of the images that are right;
  ``annotations/gallery_main.txt``: ``LIVE/IMAGE`` a line, relative to ``gallery/``. A clip id and an image's name begin
  with a UUID: the live stream's, the image's.

What follows is our reading. A product is a shop image (the pairs are told to match exactly); the SPU, which groups
images, becomes its family. In the test split, images that are right for one clip are one product, and all that is on a
room's shelf is one family, so that a shelf of the family is the room's. The test split has neither titles nor speech.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from encoders.engines import Domain
from encoders.layouts.rows import LayoutError, rows, there
from encoders.manifest import Split, View

FIELDS = (
    "video id", "frame paths", "unused", "image id", "image path", "image title", "category id", "category name",
    "spu id", "video asr",
)  # fmt: skip
NOTHING = ("", "null")
_UUID_PARTS = 5
_PIECES, _PAUSE = "\x01", "|"
"""In ASR text: pieces with their times behind them, or a mark of a pause, as the authors' own script takes them out."""


def read_lpr4m(folder: Path) -> Iterator[View]:
    """The views: those for training, for validation, for the test, as far as they are there. Raises `LayoutError`.

    Media paths begin with ``folder``.
    """
    notes = folder / "annotations"
    infos = sorted(notes.glob("training_videoinfo_*.txt"), key=lambda path: path.stem.endswith("_val"))
    queries = notes / "query_tenframes.json"
    if not infos and not queries.is_file():
        raise LayoutError(f"{notes} holds neither training_videoinfo_*.txt nor {queries.name}: is it LPR4M's folder?")
    seen = set[str]()
    for path in infos:
        yield from _once(_training(path, folder, "valid" if path.stem.endswith("_val") else "train"), seen)
    if queries.is_file():
        yield from _once(_test(folder, notes), seen)


def _once(views: Iterator[View], seen: set[str]) -> Iterator[View]:
    """Without those that came before: an image has a row for each of its clips."""
    for view in views:
        if view.view_id not in seen:
            seen.add(view.view_id)
            yield view


def _training(path: Path, folder: Path, split: Split) -> Iterator[View]:
    for number, row in enumerate(rows(path, FIELDS, "\t", exact=True), 1):
        told = dict(zip(FIELDS, row, strict=True))
        common = {"product_id": told["image id"], "family": told["spu id"] or None, "split": split}
        frames = [str(folder / name) for name in _listed(told["frame paths"], f"{path}: row {number}")]
        page = {"view_id": f"page/{told['image id']}", "domain": Domain.PAGE, "media": str(folder / told["image path"])}
        live = {"view_id": f"live/{told['video id']}", "domain": Domain.LIVE, "frames": frames}
        yield View.model_validate(common | page | {"text": told["image title"]})
        yield View.model_validate(common | live | {"spoken": _speech(told["video asr"])})


def _listed(text: str, where: str) -> list[str]:
    """A list of texts, written in Python or in JSON."""
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError) as error:
        raise LayoutError(f"{where}: frame paths are {text[:40]!r}, expected a list") from error
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise LayoutError(f"{where}: frame paths are {text[:40]!r}, expected a list of texts")
    return found


def _speech(asr: str) -> str:
    if asr in NOTHING:
        return ""
    if _PIECES in asr:
        return "".join(piece.split()[0] for piece in asr.split(_PIECES) if piece.split())
    return asr.replace(_PAUSE, "")


def _test(folder: Path, notes: Path) -> Iterator[View]:
    queries = _json(notes / "query_tenframes.json")
    right = _json(notes / "test_videoid_to_gtimage_20079.json")
    shelf = [row[0].split("/", 1) for row in rows(notes / "gallery_main.txt", ("path",), "\n")]
    products = _products(right)
    for live, name in shelf:
        image = f"{live}/{_uuid(name)}"
        yield View(
            view_id=f"page/{image}",
            product_id=products.get(image, image),
            domain=Domain.PAGE,
            media=str(folder / "gallery" / live / name),
            text="",
            family=live,
        )
    for clip, told in queries.items():
        if not right.get(clip):
            raise LayoutError(f"{notes}: no image is named as right for the test clip {clip}")
        yield View(
            view_id=f"live/{clip}",
            product_id=products[f"{_uuid(clip)}/{right[clip][0]}"],
            domain=Domain.LIVE,
            frames=tuple(str(folder / "query" / name) for name in told["frames"]),
            spoken="",
            family=_uuid(clip),
        )


def _products(right: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The product of each image that is right for some clip: those that share a clip are one, named after the first."""
    product = dict[str, str]()
    for clip, images in right.items():
        names = [f"{_uuid(clip)}/{image}" for image in images]
        joined = {product.get(name, name) for name in names}
        first = min(joined)
        if len(joined) > 1:
            product |= {name: first for name, known in product.items() if known in joined}
        product |= dict.fromkeys(names, first)
    return product


def _uuid(name: str) -> str:
    return "-".join(name.partition(".")[0].split("-")[:_UUID_PARTS])


def _json(path: Path) -> dict[str, Any]:
    try:
        told = json.loads(there(path).read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise LayoutError(f"{path}: not JSON: {error}") from error
    if not isinstance(told, dict):
        raise LayoutError(f"{path}: expected an object with test clip ids")
    return told
