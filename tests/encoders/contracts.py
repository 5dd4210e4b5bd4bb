"""What every engine promises, as checks that a fake and its real engine both pass.

Each check takes the engine and material that it can read; the test modules bring the two together.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from encoders.engines import (
    FRAMES_PER_CLIP,
    SAMPLE_RATE_HZ,
    Domain,
    Frames,
    FusionInput,
    FusionNetwork,
    HeardWord,
    LanguageModel,
    MediaDecoder,
    SpeechModel,
    Unreadable,
    VisionTower,
)
from schemas.reasons import Reason

BYTES_PER_MS = SAMPLE_RATE_HZ * 2 // 1000


@dataclass(frozen=True, slots=True)
class MediaSamples:
    """One segment in the variants that a platform may push."""

    good: bytes
    duration_ms: int
    audio_only: bytes
    video_only: bytes
    picture: bytes


def media_contract(decoder: MediaDecoder, samples: MediaSamples) -> None:
    """Sound has the segment's length, a clip its frames in order, and every failure is a reason."""
    pcm = decoder.audio(samples.good)
    assert len(pcm) % 2 == 0
    assert abs(len(pcm) / BYTES_PER_MS - samples.duration_ms) <= 100
    assert pcm == decoder.audio(samples.good)

    clip = decoder.clip(samples.good)
    assert clip.frames.dtype == np.uint8
    assert clip.frames.shape[0] == FRAMES_PER_CLIP == len(clip.at_ms)
    assert clip.frames.shape[3] == 3
    assert list(clip.at_ms) == sorted(clip.at_ms)
    assert clip.at_ms[-1] < samples.duration_ms
    assert (clip.frames == decoder.clip(samples.good).frames).all()

    assert decoder.image(samples.picture).shape[0] == 1
    assert decoder.audio(samples.audio_only)
    assert len(decoder.clip(samples.video_only).frames) == FRAMES_PER_CLIP
    assert _reason(lambda: decoder.audio(samples.video_only)) == Reason.NO_AUDIO
    assert _reason(lambda: decoder.clip(samples.audio_only)) == Reason.NO_VIDEO
    for read in (decoder.audio, decoder.clip, decoder.image):
        assert _reason(lambda read=read: read(b"")) == Reason.EMPTY
        assert _reason(lambda read=read: read(b"plain text, no media")) == Reason.UNDECODABLE


def speech_contract(model: SpeechModel, pcm: bytes, border_ms: int) -> None:
    """`pcm` holds speech that ends before its end; `border_ms` lies inside a word of it."""
    whole = model.hear(pcm, "en", final=True)
    assert whole.words
    assert whole.committed_ms == len(pcm) // BYTES_PER_MS
    assert whole == model.hear(pcm, "en", final=True), "the same sound gives the same words"
    _in_order(whole.words, whole.committed_ms)
    assert all(0 <= word.confidence <= 1 and word.text == word.text.strip() != "" for word in whole.words)

    mended = hear_in_two(model, pcm, border_ms)
    assert [word.text for word in mended] == [word.text for word in whole.words], "no border cuts a word"

    silence = model.hear(bytes(2000 * BYTES_PER_MS), "en", final=False)
    assert silence.words == ()
    assert 1500 <= silence.committed_ms <= 2000, "of silence at most a short lead is kept"
    assert model.hear(b"", "en", final=True).words == ()
    assert model.hear(bytes(2000 * BYTES_PER_MS), "en", True, "feike shaver").words == (), "what was told is not heard"
    assert model.hear(pcm, "en", True, "feike shaver") == model.hear(pcm, "en", True, "feike shaver")


def hear_in_two(model: SpeechModel, pcm: bytes, border_ms: int) -> list[HeardWord]:
    """The words of `pcm` given in two parts, what was not committed in front of the second one."""
    first = pcm[: border_ms * BYTES_PER_MS]
    early = model.hear(first, "en", final=False)
    assert early.committed_ms < border_ms, "speech that touches the end is not committed"
    _in_order(early.words, early.committed_ms)
    late = model.hear(pcm[early.committed_ms * BYTES_PER_MS :], "en", final=True)
    return [*early.words, *late.words]


def language_contract(model: LanguageModel, transcripts: Sequence[str]) -> None:
    """Answers hold the form and do not depend on what was asked before."""
    forward = {text: model.complete(text) for text in transcripts}
    backward = {text: model.complete(text) for text in reversed(transcripts)}
    assert forward == backward
    assert forward[transcripts[0]] == model.complete(transcripts[0])
    for answer in forward.values():
        assert in_form(answer), answer


def in_form(answer: str) -> bool:
    """Whether an answer is `empty` or the two lines."""
    lines = answer.split("\n")
    return answer == "empty" or (
        len(lines) == 2 and lines[0].startswith("Product name: ") and lines[1].startswith("Features:")
    )


def vision_contract(tower: VisionTower, clips: Sequence[Frames]) -> None:
    """Tokens of a clip do not depend on the clips beside it."""
    together = tower.encode(clips)
    for clip, tokens in zip(clips, together, strict=True):
        assert tokens.shape[0] == 1 + FRAMES_PER_CLIP
        assert tokens.dtype == np.float32
        assert np.isfinite(tokens).all()
        assert (tower.encode([clip])[0] == tokens).all()
    assert tower.name


def fusion_contract(network: FusionNetwork, tower: VisionTower, clip: Frames) -> None:
    """Unit vectors for every mix of modalities, whatever stands beside them."""
    assert network.tower == tower.name
    tokens = tower.encode([clip])[0]
    views = [
        FusionInput(domain, visual, text)
        for domain in Domain
        for visual in (tokens, None)
        for text in ("feike shaver; wet use", None)
        if visual is not None or text is not None
    ]
    for view, vector in zip(views, network.embed(views), strict=True):
        assert vector.shape == (network.dim,)
        assert vector.dtype == np.float32
        assert abs(float(np.linalg.norm(vector)) - 1) < 1e-4
        assert (network.embed([view])[0] == vector).all()


def _in_order(words: Sequence[HeardWord], end_ms: int) -> None:
    times = [time for word in words for time in (word.start_ms, word.end_ms)]
    assert times == sorted(times)
    assert not times or (times[0] >= 0 and times[-1] <= end_ms)


def _reason(read: object) -> Reason:
    assert callable(read)
    with pytest.raises(Unreadable) as caught:
        read()
    return caught.value.reason
