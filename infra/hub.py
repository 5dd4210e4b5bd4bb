"""A public checkpoint's name → its files on this disk, from the official hub.

A download that was cut off goes on where it stopped: what has come is kept beside the files until all have come.
The caller checks the bytes; here they are only fetched.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import httpx
from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

from infra.errors import InfraError

T = TypeVar("T")
_BESIDE = Path(".cache") / "huggingface"
"""Where the hub's client keeps what has not come whole, inside the folder that it fills."""


class PullFailed(InfraError):
    """A checkpoint's file could not be had, or is not the one that was asked for."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Files of one public checkpoint; without a revision the newest is taken, and told."""

    repository: str
    files: Sequence[str]
    revision: str | None = None
    endpoint: str | None = None
    """Another address than the hub's own or `HF_ENDPOINT`'s."""


def newest(wanted: Wanted) -> str:
    """The revision that is meant: 40 hex digits. Raises `PullFailed`."""
    if wanted.revision:
        return wanted.revision
    return _asked(wanted, wanted.repository, lambda: str(HfApi(wanted.endpoint).model_info(wanted.repository).sha))


def fetch(wanted: Wanted, revision: str, file: str, into: Path) -> Path:
    """One file of this revision, with a progress bar on stderr. Raises `PullFailed`."""
    what = f"{file} of {wanted.repository}"

    def download() -> Path:
        into.mkdir(parents=True, exist_ok=True)
        return Path(
            hf_hub_download(
                wanted.repository, file, revision=revision, local_dir=into, endpoint=wanted.endpoint, etag_timeout=20
            )
        )

    try:
        return _asked(wanted, what, download)
    except OSError as failure:
        raise unwritable(what, into, failure) from failure


def tidy(into: Path) -> None:
    """Forget what was kept for going on: all files have come."""
    shutil.rmtree(into / _BESIDE, ignore_errors=True)
    if (into / ".cache").is_dir() and not any((into / ".cache").iterdir()):
        (into / ".cache").rmdir()


def unwritable(what: str, into: Path, failure: OSError) -> PullFailed:
    """The named failure of a disk: full, or not to be written on."""
    if failure.errno in (errno.ENOSPC, errno.EDQUOT):
        free = shutil.disk_usage(next(folder for folder in (into, *into.parents) if folder.is_dir())).free
        return PullFailed(
            f"{what}: the disk of {into} is full ({free / 1e9:.1f} GB free)",
            remedy="free some space, or name a folder on another disk with VITRINE_MODELS; then pull again, it goes on",
        )
    return PullFailed(f"{what}: {into} cannot be written: {failure}", remedy="look at the folder's rights")


def _asked(wanted: Wanted, what: str, ask: Callable[[], T]) -> T:
    try:
        return ask()
    except HfHubHTTPError as refused:
        raise PullFailed(
            f"{what}: the hub refuses it: {refused.response.status_code} {refused.response.reason_phrase}",
            remedy="look at the name and revision with vitrine models list; a gated model needs a token in HF_TOKEN",
        ) from refused
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, httpx.HTTPError) as away:
        raise PullFailed(
            f"{what}: the hub at {wanted.endpoint or HfApi().endpoint} gave no whole answer: {away.__cause__ or away}",
            remedy="look at the network and pull again, it goes on where it stopped; or fetch the files elsewhere and "
            "run vitrine models pull PROFILE --from FOLDER",
        ) from away
