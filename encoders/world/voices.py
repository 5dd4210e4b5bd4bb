"""Words → sound: espeak-ng through its C library, so that the demo world needs no system package.

Brands are pronounced letter by letter group as they are spelled (``ei`` as in "eight", ``ou`` as in "out"), so that a
recogniser can write a brand that it never heard before. The library is one per process and not thread-safe.
"""

import _ctypes
import contextlib
import ctypes
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import espeakng_loader
import numpy as np
from numpy.typing import NDArray

from encoders.world import lexicon
from encoders.world.shop import pick

SAMPLE_RATE_HZ = 16_000
ACCENTS: tuple[str, ...] = ("en-us", "en", "en-gb-x-rp", "en-gb-scotland", "en-us-nyc")
HELD_OUT_ACCENT = "en-gb-x-gbclan"
VARIANTS: tuple[str, ...] = (
    "f1", "f2", "f4", "f5", "m1", "m2", "m3", "m6", "m8", "Alex", "Alicia", "Andy", "Annie", "Denis", "Diogo", "Gene",
    "Gene2", "Henrique", "Hugo", "Jacky", "Lee", "Marco", "Mario", "Mike", "Nguyen", "Reed", "RicishayMax", "adam",
    "anika", "antonio", "belinda", "benjamin", "boris", "david", "ed", "edward", "gustave", "ian", "iven", "max",
    "michel", "miguel", "norbert", "pablo", "paul", "pedro", "quincy", "rob", "robert", "sandro", "shelby", "steph",
    "travis", "victor", "zac",
)  # fmt: skip
HELD_OUT_VARIANTS: tuple[str, ...] = ("f3", "m4", "m7", "Andrea", "Michael", "marcelo", "linda", "john")
"""Voices that no training hears: for the broadcast and for measuring."""

Sound = NDArray[np.float32]  # (samples,) in [-1, 1] at 16 kHz

_LIBRARY_RATE_HZ = 22_050
_SYNCHRONOUS, _RATE, _PITCH, _RANGE = 2, 1, 3, 4
_ON_SOUND = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
_UTF8_AND_PHONEMES = 0x1 | 0x100
_SPELLED = re.compile(r"(sh|ch|[bdfghklmnprstvz])|(ei|ai|oi|ou|[aeiou])")
_PHONEMES = {
    "a": "A:", "e": "E", "i": "i:", "o": "oU", "u": "u:", "ei": "eI", "ai": "aI", "oi": "OI", "ou": "aU",
    "sh": "S", "ch": "tS",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Voice:
    """A speaker: accent and variant as espeak-ng names them, pace, and pitch from 0 to 99.

    ``pitch_range``: how far the pitch moves, from 0 (one note, as a singer holds it) to 99.
    """

    accent: str
    variant: str
    words_per_minute: int = 160
    pitch: int = 50
    pitch_range: int = 50


def voice_of(rng: np.random.Generator, accents: Sequence[str] = ACCENTS, variants: Sequence[str] = VARIANTS) -> Voice:
    """A random speaker of the given accents and variants."""
    return Voice(pick(rng, accents), pick(rng, variants), int(rng.integers(140, 196)), int(rng.integers(30, 71)))


def speak(text: str, voice: Voice) -> Sound:
    """``text`` spoken, the same for the same arguments, without the silence at both ends. Raises `VoiceError`."""
    written = " ".join(word if word in lexicon.WORDS else pronounced(word) for word in text.split()).encode()
    heard: list[NDArray[np.int16]] = []

    def keep(samples: "ctypes._Pointer[ctypes.c_short]", count: int, _events: int) -> int:
        if samples and count:
            heard.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    on_sound = _ON_SOUND(keep)
    with _library() as library:
        _tuned(library, voice)
        library.espeak_SetSynthCallback(on_sound)
        status = library.espeak_Synth(written, len(written) + 1, 0, 1, 0, _UTF8_AND_PHONEMES, None, None)
    if status != 0 or not heard:
        raise VoiceError(f"espeak-ng could not say {text!r} (status {status})")
    return _trimmed(_resampled(np.concatenate(heard).astype(np.float32) / np.float32(32768)))


class VoiceError(Exception):
    """The synthesizer refused a voice or a text."""


def pronounced(word: str) -> str:
    """The phonemes of a brand in espeak-ng's notation; a word that is not spelled like a brand stays as it is."""
    parts = _SPELLED.findall(word)
    if "".join(consonant + vowel for consonant, vowel in parts) != word:
        return word
    first = next((index for index, (_, vowel) in enumerate(parts) if vowel), 0)
    sounds = [_PHONEMES.get(consonant or vowel, consonant or vowel) for consonant, vowel in parts]
    return "[[" + "".join(("'" if index == first else "") + sound for index, sound in enumerate(sounds)) + "]]"


@contextlib.contextmanager
def _library() -> Iterator[ctypes.CDLL]:
    """espeak-ng as if just started, about 10 ms: it keeps the phase of its oscillators in static memory, so that the
    sound of a sentence would depend on what was said before."""
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    library.espeak_Synth.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int, ctypes.c_uint,
                                     ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p]  # fmt: skip
    rate_hz = library.espeak_Initialize(_SYNCHRONOUS, 200, espeakng_loader.get_data_path().encode(), 0)
    if rate_hz != _LIBRARY_RATE_HZ:
        raise VoiceError(f"espeak-ng speaks at {rate_hz} Hz instead of {_LIBRARY_RATE_HZ}")
    try:
        yield library
    finally:
        library.espeak_Terminate()
        _ctypes.dlclose(library._handle)


def _tuned(library: ctypes.CDLL, voice: Voice) -> None:
    known = (Path(espeakng_loader.get_data_path()) / "voices" / "!v" / voice.variant).is_file()
    if not known or library.espeak_SetVoiceByName(f"{voice.accent}+{voice.variant}".encode()) != 0:
        raise VoiceError(f"espeak-ng has no voice {voice.accent}+{voice.variant}")
    library.espeak_SetParameter(_RATE, voice.words_per_minute, 0)
    library.espeak_SetParameter(_PITCH, voice.pitch, 0)
    library.espeak_SetParameter(_RANGE, voice.pitch_range, 0)
    library.espeak_ng_SetRandSeed(1)  # breath is made of random numbers


def _resampled(sound: Sound) -> Sound:
    """From 22,050 to 16,000 Hz by cutting the spectrum at 8 kHz; 441 samples become 320."""
    blocks = -(-len(sound) // 441)
    spectrum = np.fft.rfft(np.pad(sound, (0, blocks * 441 - len(sound))))
    return (np.fft.irfft(spectrum[: blocks * 160 + 1], blocks * 320) * (320 / 441)).clip(-1, 1).astype(np.float32)


def _trimmed(sound: Sound) -> Sound:
    loud = np.flatnonzero(np.abs(sound) > 0.005)
    return sound[loud[0] : loud[-1] + 1] if len(loud) else sound
