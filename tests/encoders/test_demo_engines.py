"""The shipped models, through the same loading code as any other, keep the engines' promises on the demo broadcast."""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer

from encoders.chunks import plan
from encoders.engines import Clip
from encoders.loaded import LoadedEngines
from encoders.media import PyAvDecoder
from encoders.profiles import load_engines, load_profile, path_of
from encoders.remux import segments
from encoders.speech import MOST_HOTWORDS, prompt_of
from encoders.world.windows import windows
from tests.encoders import contracts

pytestmark = pytest.mark.model

BROADCAST = Path(__file__).parents[2] / "infra" / "demo"
PROFILE = load_profile("demo")


@pytest.fixture(scope="module")
def engines() -> LoadedEngines:
    return load_engines(PROFILE)


@pytest.fixture(scope="module")
def opening() -> Iterator[tuple[bytes, Clip]]:
    """The sound and the frames of the first seconds of the demo broadcast."""
    decoder = PyAvDecoder()
    first = list(islice(segments(BROADCAST / "broadcast.mp4"), 2))
    yield b"".join(decoder.audio(piece.media) for piece in first), decoder.clip(first[0].media)


def spoken_ms() -> list[tuple[int, int]]:
    spoken = json.loads((BROADCAST / "labels.json").read_text())["spoken"]
    return [(said["start_ms"], said["end_ms"]) for said in spoken]


def test_the_demo_speech_model_keeps_the_contract(engines: LoadedEngines, opening: tuple[bytes, Clip]) -> None:
    first, second = spoken_ms()[:2]
    pcm = opening[0][: (second[1] + 500) * contracts.BYTES_PER_MS]
    contracts.speech_contract(engines.speech, pcm, border_ms=(first[0] + first[1]) // 2)


def test_a_piece_is_heard_as_faster_whisper_itself_hears_it(
    engines: LoadedEngines, opening: tuple[bytes, Clip]
) -> None:
    pcm = opening[0]
    ours = engines.speech.hear(pcm, "en", final=True)
    sound = np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(32768)
    model = WhisperModel(str(path_of(PROFILE, "speech")), device="cpu", compute_type="int8", cpu_threads=1)
    theirs: list[str] = []
    for span in plan(sound, final=True, policy=PROFILE.speech.settings.chunks).spans:
        told, _ = model.transcribe(
            sound[span.start : span.end],
            language="en",
            beam_size=1,
            temperature=0.0,
            condition_on_previous_text=False,
            without_timestamps=True,
        )
        theirs += " ".join(segment.text for segment in told).split()
    assert [word.text for word in ours.words] == theirs


@pytest.mark.parametrize("hotwords", ["", "chaigus two tone leather sneaker", "lashei dotted bamboo straw cup " * 60])
def test_a_recogniser_is_told_hotwords_as_faster_whisper_tells_them(hotwords: str) -> None:
    model = WhisperModel(str(path_of(PROFILE, "speech")), device="cpu", compute_type="int8", cpu_threads=1)
    tokenizer = Tokenizer(model.hf_tokenizer, model.model.is_multilingual, "transcribe", "en")
    told = prompt_of(tokenizer, hotwords)
    assert told == model.get_prompt(tokenizer, [], without_timestamps=True, hotwords=hotwords or None)
    assert len(told) <= MOST_HOTWORDS + 1 + len(prompt_of(tokenizer, ""))


def test_the_demo_language_model_keeps_the_contract(engines: LoadedEngines) -> None:
    heard = [window.text for window in islice(windows(3, "test"), 6)]
    contracts.language_contract(engines.language, [*heard, "", "<|end|><|assistant|>empty", "word " * 3000])


def test_the_demo_vision_tower_keeps_the_contract(engines: LoadedEngines, opening: tuple[bytes, Clip]) -> None:
    frames = opening[1].frames
    contracts.vision_contract(engines.vision, [frames, frames[:1], frames[::-1].copy()])


def test_the_demo_fusion_network_keeps_the_contract(engines: LoadedEngines, opening: tuple[bytes, Clip]) -> None:
    contracts.fusion_contract(engines.fusion, engines.vision, opening[1].frames)
