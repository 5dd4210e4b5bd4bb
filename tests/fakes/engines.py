"""Deterministic stand-ins of every engine, a few microseconds a call, the same in every process.

    fake_media(words, look) → FakeDecoder → pcm → FakeSpeech → words → FakeLanguage → summary form ─┐
                                          → frames → FakeVision → tokens ────────────────────────── FakeFusion → 128-d

The sound carries the words themselves, a millisecond at a time, so it may be cut and joined anywhere: a word that is
cut by a border is heard whole only where the audio before the border is given again, as with a real speech model.
"""

import json
import os
import signal
import time
from collections.abc import Iterator, Sequence
from functools import cache
from hashlib import sha256
from typing import Literal, TypedDict

import numpy as np
from numpy.typing import NDArray

from encoders.engines import FRAMES_PER_CLIP, Clip, Floats, Frames, FusionInput, Heard, HeardWord, Unreadable
from encoders.loaded import LoadedEngines
from schemas.reasons import Reason

MAGIC = b"FAKE"
SLOT_BYTES = 32
"""One millisecond of int16 mono at 16 kHz; holds a mark, the offset in the word, its length, and its text."""
TEXT_BYTES = SLOT_BYTES - 6
CAP_MS = 6_000
SIDE = 4
LOOK_DIM = SIDE * SIDE * 3
EMBEDDING_DIM = 128
TEXT_WEIGHT = 0.6

Trouble = Literal["", "crash", "hang", "spin", "hog"]

Spoken = tuple[str, int, int]
"""A word and its times in ms; in `fake_media` they may lie outside the media, which then holds a part of the word."""


class _Content(TypedDict):
    duration_ms: int
    words: list[Spoken] | None
    look: str | None
    trouble: Trouble


# ---------------------------------------------------------------- media that the fakes understand


def spoken(text: str, start_ms: int = 0, word_ms: int = 200, gap_ms: int = 50) -> tuple[Spoken, ...]:
    """The words of `text`, one after the other at an even pace."""
    step = word_ms + gap_ms
    return tuple((w, start_ms + i * step, start_ms + i * step + word_ms) for i, w in enumerate(text.split()))


def fake_media(
    words: Sequence[Spoken] | str | None = (),
    look: str | None = "nothing",
    duration_ms: int = 4_000,
    trouble: Trouble = "",
) -> bytes:
    """Media in which `words` are said and `look` is seen; None: no such track. `trouble`: what reading them does."""
    said = spoken(words) if isinstance(words, str) else words
    content = _Content(duration_ms=duration_ms, words=None if said is None else list(said), look=look, trouble=trouble)
    return MAGIC + json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def fake_picture(look: str) -> bytes:
    """A still picture of `look`."""
    return fake_media(None, look, duration_ms=1)


def fake_broadcast(words: Sequence[Spoken], looks: Sequence[str | None], segment_ms: int = 4_000) -> tuple[bytes, ...]:
    """One segment for each look; words are cut where a border falls into them."""
    return tuple(
        fake_media(
            [(text, start - at, end - at) for text, start, end in words if start < at + segment_ms and end > at],
            look,
            segment_ms,
        )
        for at, look in zip(range(0, segment_ms * len(looks), segment_ms), looks, strict=True)
    )


# ---------------------------------------------------------------- the engines


class FakeDecoder:
    """Reads what `fake_media` made; anything else is undecodable."""

    def audio(self, media: bytes) -> bytes:
        content = _read(media)
        if content["words"] is None:
            raise Unreadable(Reason.NO_AUDIO, "fake media without words")
        sound = np.zeros((content["duration_ms"], SLOT_BYTES), np.uint8)
        for text, start_ms, end_ms in content["words"]:
            first, last = max(start_ms, 0), min(end_ms, content["duration_ms"])
            sound[first:last] = _slots(text, end_ms - start_ms)[first - start_ms : last - start_ms]
        return sound.tobytes()

    def clip(self, media: bytes) -> Clip:
        content = _read(media)
        if content["look"] is None:
            raise Unreadable(Reason.NO_VIDEO, "fake media without a look")
        part_ms = content["duration_ms"] / FRAMES_PER_CLIP
        frames = np.stack([_frame(content["look"], i) for i in range(FRAMES_PER_CLIP)])
        return Clip(frames, tuple(int((i + 0.5) * part_ms) for i in range(FRAMES_PER_CLIP)))

    def image(self, picture: bytes) -> Frames:
        return self.clip(picture).frames[:1]


class FakeSpeech:
    """Hears the words that `FakeDecoder` put into the sound; a part of a word is heard as that part of its letters."""

    def hear(self, pcm: bytes, language: str | None, final: bool, hotwords: str = "") -> Heard:
        total_ms = len(pcm) // SLOT_BYTES
        found = list(_runs(np.frombuffer(pcm, np.uint8, total_ms * SLOT_BYTES).reshape(-1, SLOT_BYTES)))
        committed_ms = total_ms
        if not final and found and found[-1].end_ms == total_ms > 0 and total_ms - found[-1].start_ms < CAP_MS:
            committed_ms = found.pop().start_ms
        return Heard(tuple(found), language or ("en" if found else None), committed_ms)


class FakeLanguage:
    """What follows the last "here is" is the name, what follows "with" the features, joined by "and", up to "now"."""

    def complete(self, transcript: str) -> str:
        _, here, said = transcript.rpartition("here is ")
        name, _, rest = said.split(" now")[0].partition(" with ")
        if not here or not name.strip():
            return "empty"
        features = ", ".join(feature.strip() for feature in rest.split(" and ") if feature.strip())
        return f"Product name: {name.strip()}\nFeatures: {features}"


class FakeVision:
    """The tokens are the frames' own pixels, as unit vectors."""

    name = "fake-tower"

    def encode(self, clips: Sequence[Frames]) -> list[Floats]:
        return [self._tokens(clip) for clip in clips]

    def _tokens(self, clip: Frames) -> Floats:
        frames = clip.reshape(len(clip), -1)[np.arange(FRAMES_PER_CLIP) % len(clip)].astype(np.float32) - 127.5
        tokens = np.concatenate([frames.mean(axis=0, keepdims=True), frames])  # (1 + 8, LOOK_DIM)
        return np.asarray(tokens / np.linalg.norm(tokens, axis=1, keepdims=True), np.float32)


class FakeFusion:
    """The clip's token beside a bag of the text's words: equal looks are close, equal words closer."""

    space = "fake-space"
    dim = EMBEDDING_DIM
    tower = "fake-tower"

    def embed(self, views: Sequence[FusionInput]) -> list[Floats]:
        return [self._embed(view) for view in views]

    def _embed(self, view: FusionInput) -> Floats:
        vector = np.zeros(EMBEDDING_DIM, np.float32)
        if view.visual is not None:
            vector[:LOOK_DIM] = view.visual[0]
        if view.text:
            vector[LOOK_DIM:] = TEXT_WEIGHT * _bag(view.text)
        vector += 0.05 * _unit(view.domain, EMBEDDING_DIM)
        return np.asarray(vector / np.linalg.norm(vector), np.float32)


def fake_engines() -> LoadedEngines:
    """All of them, as a worker takes them."""
    return LoadedEngines(FakeDecoder(), FakeSpeech(), FakeLanguage(), FakeVision(), FakeFusion())


# ---------------------------------------------------------------- how the sound carries words


def _read(media: bytes) -> _Content:
    if not media:
        raise Unreadable(Reason.EMPTY, "no bytes")
    if not media.startswith(MAGIC):
        raise Unreadable(Reason.UNDECODABLE, "not fake media")
    try:
        content: _Content = json.loads(media[len(MAGIC) :])
    except ValueError as broken:
        raise Unreadable(Reason.UNDECODABLE, "truncated fake media") from broken
    _make(content["trouble"])
    return content


def _make(trouble: Trouble) -> None:
    """What media can do to the process that reads them."""
    if trouble == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif trouble == "hang":
        time.sleep(3600)
    elif trouble == "hog":
        raise MemoryError(len(bytes(1 << 40)))
    while trouble == "spin":
        pass


def _slots(text: str, word_ms: int) -> NDArray[np.uint8]:
    """(word_ms, SLOT_BYTES): mark, offset (2), length (2), number of text bytes, text."""
    letters = text.encode()
    if not 0 < len(letters) <= TEXT_BYTES or not 0 < word_ms < 2**16:
        raise ValueError(f"a fake word has 1 to {TEXT_BYTES} bytes and lasts 1 to 65535 ms: {text!r}, {word_ms} ms")
    slots = np.zeros((word_ms, SLOT_BYTES), np.uint8)
    slots[:, 0] = 1
    slots[:, 1:3] = np.arange(word_ms, dtype="<u2").view(np.uint8).reshape(-1, 2)
    slots[:, 3:5] = np.frombuffer(word_ms.to_bytes(2, "little"), np.uint8)
    slots[:, 5] = len(letters)
    slots[:, 6 : 6 + len(letters)] = np.frombuffer(letters, np.uint8)
    return slots


def _runs(sound: NDArray[np.uint8]) -> Iterator[HeardWord]:
    """The words of (ms, SLOT_BYTES), each where its slots follow one another without a break."""
    speech = sound[:, 0] == 1
    offsets = sound[:, 1].astype(np.int32) + sound[:, 2].astype(np.int32) * 256
    goes_on = speech[1:] & speech[:-1] & (offsets[1:] == offsets[:-1] + 1)
    starts = np.flatnonzero(speech & np.r_[True, ~goes_on][: len(speech)])
    ends = np.flatnonzero(speech & np.r_[~goes_on, True][: len(speech)]) + 1
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        slot, last = sound[start], sound[end - 1]
        text = slot[6 : 6 + slot[5]].tobytes().decode(errors="replace")
        yield HeardWord(_part(text, slot, last), start, end, 1.0)


def _part(text: str, first: NDArray[np.uint8], last: NDArray[np.uint8]) -> str:
    """The letters said between two slots of a word: all of it, or a fragment of at least one letter."""
    length = int(first[3]) + 256 * int(first[4])
    begin, end = (int(slot[1]) + 256 * int(slot[2]) for slot in (first, last))
    left = len(text) * begin // length
    return text[left : max(left + 1, -(-len(text) * (end + 1) // length))]


# ---------------------------------------------------------------- how looks and texts become vectors


@cache
def _unit(name: str, dim: int) -> Floats:
    """A unit vector that the name alone decides; cached, so never to be changed in place."""
    digest = b"".join(sha256(f"{name}/{i}".encode()).digest() for i in range(-(-dim // 32)))
    raw = np.frombuffer(digest[:dim], np.uint8).astype(np.float32) - 127.5
    return np.asarray(raw / np.linalg.norm(raw), np.float32)


def _frame(look: str, index: int) -> NDArray[np.uint8]:
    """(SIDE, SIDE, 3): the look's own pixels with a little of the frame's."""
    mixed = _unit(f"look {look}", LOOK_DIM) + 0.1 * _unit(f"frame {index}", LOOK_DIM)
    return np.asarray(np.clip(127.5 + 300 * mixed, 0, 255), np.uint8).reshape(SIDE, SIDE, 3)


def _bag(text: str) -> Floats:
    dim = EMBEDDING_DIM - LOOK_DIM
    words = [word.strip(".,;:").lower() for word in text.split()]
    bag = np.sum([_unit(f"word {word}", dim) for word in words], axis=0)
    return np.asarray(bag / np.linalg.norm(bag), np.float32)
