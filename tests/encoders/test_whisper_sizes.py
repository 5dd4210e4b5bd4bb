"""Whisper's large models are loaded, 128 mels and all, and hear by the profiles' settings; their words are noise."""

import wave
from pathlib import Path

import pytest
from transformers.models.whisper.tokenization_whisper import LANGUAGES

from encoders.profiles import load_profile
from encoders.settings import SpeechSettings
from encoders.speech import load_speech
from tests.encoders import whispers
from tests.encoders.whispers import DISTIL_LARGE_V3, LARGE_V3, Published

pytestmark = pytest.mark.model

CLIP = Path(__file__).parent / "clips" / "0.wav"


def spoken() -> bytes:
    with wave.open(str(CLIP)) as sound:
        return bytes(sound.readframes(sound.getnframes()))


def settings_of(profile: str) -> SpeechSettings:
    """The profile's, but that nothing is too unlikely to be told."""
    return load_profile(profile).speech.settings.model_copy(
        update={"compression": 1e9, "no_speech": 1.0, "tokens_per_s": 4.0}
    )


@pytest.mark.parametrize(
    ("published", "profiles"), [(LARGE_V3, ("zh", "multilingual")), (DISTIL_LARGE_V3, ("en",))], ids=["large", "distil"]
)
def test_a_large_whisper_is_loaded_and_hears(tmp_path: Path, published: Published, profiles: tuple[str, ...]) -> None:
    whispers.write(tmp_path / "whisper", published)
    pcm = spoken()
    for profile in profiles:
        model = load_speech(tmp_path / "whisper", settings=settings_of(profile))
        heard = model.hear(pcm, None, final=True)
        assert heard.language == settings_of(profile).language or heard.language in LANGUAGES
        assert model.hear(pcm, "nb", final=True) == heard  # Bokmål, which Whisper has no token of: as if none was told
        assert heard.words
        times = [(word.start_ms, word.end_ms) for word in heard.words]
        assert times == sorted(times)
        assert times[-1][1] <= len(pcm) // 32


def test_a_large_whisper_without_its_mel_settings_is_refused(tmp_path: Path) -> None:
    whispers.write(tmp_path / "whisper", DISTIL_LARGE_V3)
    (tmp_path / "whisper" / "preprocessor_config.json").unlink()
    with pytest.raises(ValueError, match=r"hears 128 mels.*preprocessor_config\.json"):
        load_speech(tmp_path / "whisper")
