"""Prepared folders → the views of an evaluation, as if they had been prepared together.

The splits of a manifest may lie in folders of their own. Media paths are then relative to the working directory.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from encoders.engines import Domain
from encoders.manifest import ManifestError, View
from encoders.prepared import Prepared, PreparedError, read_prepared


def gathered(folders: Sequence[Path]) -> Prepared:
    """All views of all folders. Raises `PreparedError` where towers differ, `ManifestError` for a view given twice."""
    parts = [read_prepared(folder) for folder in folders]
    towers = {part.tower: folder for part, folder in zip(parts, folders, strict=True) if part.tower}
    if len(towers) > 1:
        told = ", ".join(f"{folder} by {tower}" for tower, folder in towers.items())
        raise PreparedError(f"views that different towers have seen cannot be compared: {told}")
    views = [_placed(view, folder) for part, folder in zip(parts, folders, strict=True) for view in part.views]
    if len({view.view_id for view in views}) < len(views):
        raise ManifestError("a view_id stands in two of the manifests; each view needs its own")
    seeing = next((part for part in parts if part.tower), parts[0])
    shape = seeing.tokens.shape[1:]
    tokens = [part.tokens if part.tower else np.zeros((len(part.views), *shape), np.float16) for part in parts]
    return Prepared(tuple(views), np.concatenate(tokens), seeing.tower)


def held_out(prepared: Prepared) -> Prepared:
    """The views that an evaluation embeds: those outside training, and every page, since pages may distract."""
    wanted = (row for row, view in enumerate(prepared.views) if view.split != "train" or view.domain is Domain.PAGE)
    return prepared.only(list(wanted))


def _placed(view: View, folder: Path) -> View:
    media = None if view.media is None else str(folder / view.media)
    return view.model_copy(update={"media": media, "frames": tuple(str(folder / name) for name in view.frames)})
