"""view → the same view with its transcript, its text and its visual tokens: only what is missing is made, and once.

Transcript, summary and tokens are kept apart, each under what it follows from: the media's bytes (of a summary: the
words that were asked about), the model's files and its settings. So a changed model makes its own part again and no
other, and a run that was killed goes on at the view where it was. Of a summary the model's own answer is kept; what of
it is believed is decided anew each time.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import astuple, dataclass
from functools import cached_property
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import numpy as np

from encoders.engines import Domain, Floats, Frames, Heard, HeardWord, Unreadable
from encoders.loaded import Identities, LoadedEngines
from encoders.manifest import View
from encoders.media import central, clip_of
from infra.kept import Kept, key_of
from schemas.reasons import Reason
from streams.said import question, read_out, spoken

TRANSCRIPT, SUMMARY, TOKENS = "transcripts", "summaries", "tokens"


@dataclass(frozen=True, slots=True)
class Ready:
    """A view that can be read, and where its tokens are kept; without a picture it has none."""

    view: View
    tokens: str | None
    remark: str = ""
    """What could not be read of it, though it can be used."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A view that cannot be read, and why."""

    view: View
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class SeenTokens:
    """The tokens of one view, and the tower that made them."""

    tower: str
    rows: Floats  # (9, dim)


@dataclass(frozen=True)
class Preparer:
    """What a view is prepared with. Can be given to another process, which loads the models when it first needs one."""

    load: Callable[[], LoadedEngines]
    models: Identities
    kept: Kept
    folder: Path
    """Media paths are relative to it."""
    language: str | None = None
    """Of transcripts that are given; None: told from their script."""

    @cached_property
    def engines(self) -> LoadedEngines:
        return self.load()

    def prepare(self, view: View) -> Ready | LeftOut:
        """Make what is missing.

        Raises what the engines raise where not the view is at fault (`Overloaded`), and OSError where an answer cannot
        be kept.
        """
        try:
            pictures = [self._media(name) for name in _pictures(view)]
            tokens = self._look(view, pictures) if pictures else None
            texted, remark = self._texted(view, pictures)
        except Unreadable as unreadable:
            return LeftOut(view, unreadable.reason, unreadable.detail)
        if tokens is None and not texted.text:
            return LeftOut(view, Reason.EMPTY, "it has neither a picture nor a text")
        return Ready(texted, tokens, remark)

    def tokens(self, key: str) -> SeenTokens:
        """Tokens that were made before."""
        kept = self.kept.get(TOKENS, key)
        if kept is None:
            raise KeyError(key)
        with np.load(BytesIO(kept)) as told:
            return SeenTokens(str(told["tower"]), told["rows"])

    def _media(self, name: str) -> bytes:
        try:
            return (self.folder / name).read_bytes()
        except (OSError, ValueError) as failure:  # a ValueError of a name that no file can have, with a null character
            raise Unreadable(Reason.MISSING, str(failure)) from failure

    def _look(self, view: View, pictures: list[bytes]) -> str:
        sort = "frames" if view.frames else "image" if view.domain is Domain.PAGE else "clip"
        key = key_of(sort, _digest(pictures), self.models.vision)
        if self.kept.get(TOKENS, key) is None:
            (rows,) = self.engines.vision.encode([self._frames(sort, pictures)])
            told = BytesIO()
            np.savez(told, tower=np.array(self.engines.vision.name), rows=rows.astype(np.float16))
            self.kept.put(TOKENS, key, told.getvalue())
        return key

    def _frames(self, sort: str, pictures: list[bytes]) -> Frames:
        media = self.engines.media
        if sort == "frames":
            return clip_of([media.image(picture) for picture in pictures])
        return media.image(pictures[0]) if sort == "image" else media.clip(pictures[0]).frames

    def _texted(self, view: View, pictures: list[bytes]) -> tuple[View, str]:
        if view.text is not None:
            return view, ""
        if view.domain is Domain.PAGE:
            return view.model_copy(update={"text": ""}), ""
        heard, remark = self._heard(view, pictures)
        due = question(heard, view.domain)
        text = due.settle(self._answer(due.window)).text if due else ""
        said = view.spoken if view.spoken is not None else spoken(heard)
        return view.model_copy(update={"spoken": said, "text": text}), remark

    def _heard(self, view: View, pictures: list[bytes]) -> tuple[Heard, str]:
        """What was said, and why there is nothing where the sound cannot be read."""
        if view.spoken is not None or view.media is None:
            return read_out(view.spoken or "", self.language), ""
        key = key_of(_digest(pictures), self.models.speech)
        kept = self.kept.get(TRANSCRIPT, key)
        if kept is None:
            kept = json.dumps(self._hear(pictures[0]), ensure_ascii=False).encode()
            self.kept.put(TRANSCRIPT, key, kept)
        told = json.loads(kept)
        words = tuple(HeardWord(*word) for word in told["words"])
        return Heard(words, told["language"], told["length_ms"]), str(told["remark"])

    def _hear(self, media: bytes) -> dict[str, object]:
        try:
            pcm = self.engines.media.audio(media)
        except Unreadable as unreadable:
            remark = "" if unreadable.reason is Reason.NO_AUDIO else f"nothing heard: {unreadable}"
            return {"words": [], "language": None, "length_ms": 0, "remark": remark}
        heard = self.engines.speech.hear(pcm, None, True)
        words = [astuple(word) for word in heard.words]
        return {"words": words, "language": heard.language, "length_ms": heard.committed_ms, "remark": ""}

    def _answer(self, window: str) -> str:
        key = key_of(window, self.models.language)
        kept = self.kept.get(SUMMARY, key)
        if kept is None:
            kept = self.engines.language.complete(window).encode()
            self.kept.put(SUMMARY, key, kept)
        return kept.decode()


def _pictures(view: View) -> list[str]:
    """The files to be looked at: of many frames those at the centres of equal parts."""
    if view.media is not None:
        return [view.media]
    return [view.frames[at] for at in central(len(view.frames))] if view.frames else []


def _digest(files: list[bytes]) -> str:
    return " ".join(sha256(file).hexdigest() for file in files)
