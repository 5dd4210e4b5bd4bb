"""``python -m tests.bench.public --models FOLDER``: what public speech and language models make of two broadcasts.

The models are profile `base`'s: Whisper base hears, the Qwen2.5 0.5B at hand summarises, both through the product's
own steps (`transcriber`, `summarizer`). `base`'s picture-text pair is not used: what is compared is the text of each
segment's summary with the titles on the shelf, by MiniLM (mean of its words, cosine), without any picture, so the
numbers are of hearing and summarising, not of `base` as a whole.

One broadcast is the demo's. The other is written for this (`spoken_show.json`, words that no training script has) and
spoken by a neural voice of piper, which is not a dependency: ``--piper PYTHON`` names an interpreter that has
``piper-tts``, ``--voice FILE.onnx`` its voice. Without them that broadcast is left out, and said so.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import tempfile
import wave
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import jiwer
import numpy as np
import torch

from agents.summary_form import words_of
from encoders.checkpoints import marks_in, tower_in
from encoders.engines import Floats
from encoders.families import words_in
from encoders.faults import MissingModel
from encoders.language import load_language
from encoders.loaded import LoadedEngines
from encoders.media import PyAvDecoder
from encoders.profiles import load_profile, path_of
from encoders.remux import segments
from encoders.speech import load_speech
from encoders.tokens import read_tokenizer, token_ids
from schemas.ids import ProductId, StreamMs
from schemas.observation import Summary
from schemas.room import Room, RoomChanged
from schemas.segment import Segment
from schemas.transcript import Transcript
from streams.demo_show import SHIPPED as DEMO
from streams.labels import Labels, NoProduct, Spoken, Stretch, read_labels
from tests.agents.playing import STREAM, InlineAsk, Player
from tests.fakes.engines import fake_engines
from tests.fakes.stores import FakeObjects
from tests.fakes.vectors import MemoryVectors

SHOW = Path(__file__).with_name("spoken_show.json")
SEGMENT_S, PAUSE_S = 4, 0.35
SPEAK = """
import sys, wave
from piper import PiperVoice
voice = PiperVoice.load(sys.argv[1])
for number, line in enumerate(sys.stdin.read().splitlines()):
    with wave.open(f"{sys.argv[2]}/{number:03d}.wav", "wb") as out:
        voice.synthesize_wav(line, out)
"""
WHAT_TO_DO = """{missing}

The measurement needs a folder with the files of profile `base` that hear and summarise, and MiniLM:
  FOLDER/whisper-base/          Systran/faster-whisper-base: config.json, model.bin, tokenizer.json, vocabulary.txt
  FOLDER/qwen2.5-0.5b-instruct-q4_k_m.gguf    Qwen/Qwen2.5-0.5B-Instruct-GGUF, or the one with -coder- in its name
  FOLDER/minilm/                sentence-transformers/all-MiniLM-L6-v2: config.json, model.safetensors, tokenizer.json
`VITRINE_MODELS=FOLDER vitrine models pull base` brings the first two where the hub can be reached."""

Reader = Callable[[Sequence[str]], Floats]
"""Texts → unit vectors, (texts, dim)."""


@dataclass(frozen=True, slots=True)
class Broadcast:
    """What is played, what is true of it, and what is on its shelf."""

    name: str
    segments: tuple[Segment, ...]
    labels: Labels
    room: Room
    titles: dict[ProductId, str]


@dataclass(frozen=True, slots=True)
class Reached:
    """Shares of segments, each with the number that it is a share of."""

    segments: int
    word_errors: float
    """For each word that was said; numbers above twenty that are written as digits count as errors."""
    showing: int
    summarised: float
    """Of the segments that show a product: something is said of one."""
    matched: float
    """Of the same: of the titles on the shelf the shown product's is likest to the summary."""
    shelf: int
    silent: int
    left_empty: float
    """Of the segments that show nothing."""


def recorded(folder: Path) -> Broadcast:
    """The broadcast in a folder, in the form of the shipped one."""
    pieces = [_segment(number, piece.media, piece.start_ms, piece.duration_ms) for number, piece in
           enumerate(segments(folder / "broadcast.mp4"))]  # fmt: skip
    lines = (json.loads(line) for line in (folder / "catalogue.jsonl").read_text(encoding="utf-8").splitlines())
    titles = {ProductId(line["product_id"]): str(line["title"]) for line in lines}
    room = Room.model_validate_json((folder / "room.json").read_bytes())
    return Broadcast(folder.name, tuple(pieces), read_labels(folder / "labels.json"), room, titles)


def spoken_show(piper: Path, voice: Path) -> Broadcast:
    """The written broadcast, spoken now. Raises CalledProcessError."""
    told = json.loads(SHOW.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        lines = "\n".join(line for part in told for line in part["lines"])
        subprocess.run([piper, "-c", SPEAK, voice, folder], input=lines, text=True, check=True, stdout=sys.stderr)
        sounds = [_samples(path) for path in sorted(Path(folder).glob("*.wav"))]
    rate_hz, track, shown, spoken = sounds[0][1], list[np.ndarray](), list[Stretch](), list[Spoken]()
    waiting = iter(sounds)
    for number, part in enumerate(told):
        began = _ms(track, rate_hz)
        for line in part["lines"]:
            at = _ms(track, rate_hz)
            track.append(next(waiting)[0])
            spoken.append(Spoken(start_ms=at, end_ms=_ms(track, rate_hz), text=line))
            track.append(np.zeros(int(PAUSE_S * rate_hz), np.int16))
        who = ProductId(f"show-{number}") if part["title"] else None
        shown.append(Stretch(start_ms=began, end_ms=_ms(track, rate_hz), product_id=who))
    titles = {ProductId(f"show-{number}"): part["title"] for number, part in enumerate(told) if part["title"]}
    shelf = dict(enumerate(titles, 1))
    room = Room(revision=1, language="en", shelf=shelf)
    pieces = tuple(cut(np.concatenate(track), rate_hz))
    return Broadcast("piper", pieces, Labels(shown=tuple(shown), spoken=tuple(spoken)), room, titles)


def _samples(path: Path) -> tuple[np.ndarray, int]:
    with wave.open(str(path)) as told:
        return np.frombuffer(told.readframes(told.getnframes()), np.int16), told.getframerate()


def _ms(track: Iterable[np.ndarray], rate_hz: int) -> StreamMs:
    return StreamMs(sum(map(len, track)) * 1000 // rate_hz)


def cut(track: np.ndarray, rate_hz: int) -> Iterable[Segment]:
    """A mono track of 16-bit samples as segments of `SEGMENT_S`, each a WAV file."""
    step = SEGMENT_S * rate_hz
    for number, start in enumerate(range(0, len(track), step)):
        part, out = track[start : start + step], io.BytesIO()
        with wave.open(out, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(rate_hz)
            file.writeframes(part.tobytes())
        yield _segment(number, out.getvalue(), number * SEGMENT_S * 1000, max(1, len(part) * 1000 // rate_hz))


def _segment(number: int, media: bytes, start_ms: int, duration_ms: int) -> Segment:
    return Segment(stream_id=STREAM, sequence=number, start_ms=StreamMs(start_ms), duration_ms=duration_ms, media=media)


def played(broadcast: Broadcast, engines: LoadedEngines) -> tuple[list[str], list[Summary]]:
    """What is heard, in order, and the summary of each segment."""
    ask = InlineAsk(engines, FakeObjects(), MemoryVectors())
    begun = RoomChanged(stream_id=STREAM, room=broadcast.room)
    heard = Player("transcriber", ask).play([(event, "platform") for event in (begun, *broadcast.segments)])
    events = [event for outcome in heard for event in outcome.events]
    said = Player("summarizer", ask).play([(event, "transcriber") for event in events])
    summaries = [event for outcome in said for event in outcome.events if isinstance(event, Summary)]
    return [event.text for event in events if isinstance(event, Transcript)], summaries


def minilm(folder: Path) -> Reader:
    """MiniLM as its authors use it: the mean of its words."""
    tower, tokenizer, marks = tower_in(folder, "text").eval(), read_tokenizer(folder), marks_in(folder)

    @torch.no_grad()
    def read(texts: Sequence[str]) -> Floats:
        ids = torch.stack([torch.from_numpy(token_ids(tokenizer, text, 64, marks)) for text in texts])
        seen = ids != marks.pad_id
        mean = (words_in(tower, ids, seen) * seen[..., None]).sum(1)
        return np.asarray(torch.nn.functional.normalize(mean, dim=-1), np.float32)

    return read


def reached(broadcast: Broadcast, heard: Sequence[str], summaries: Sequence[Summary], read: Reader) -> Reached:
    """What came of a broadcast."""
    shelf = [product for product in broadcast.titles if product in set(broadcast.room.shelf.values())]
    titles = read([broadcast.titles[product] for product in shelf])
    truths = [broadcast.labels.truth(summary.start_ms, summary.end_ms) for summary in summaries]
    showing = [(summary, truth) for summary, truth in zip(summaries, truths, strict=True)
               if not isinstance(truth, NoProduct)]  # fmt: skip
    silent = [summary for summary, truth in zip(summaries, truths, strict=True) if truth is NoProduct.NONE_SHOWN]
    told = [(summary.said.text, truth) for summary, truth in showing if not summary.said.empty]
    likest = (titles @ read([text for text, _ in told]).T).argmax(0) if told else []
    right = sum(shelf[int(at)] == truth for at, (_, truth) in zip(likest, told, strict=True))
    reference, hypothesis = (" ".join(words_of(text)) for text in (broadcast.labels.reference, " ".join(heard)))
    return Reached(
        segments=len(broadcast.segments),
        word_errors=round(float(jiwer.wer(reference, hypothesis)), 3),
        showing=len(showing),
        summarised=round(len(told) / max(1, len(showing)), 3),
        matched=round(right / max(1, len(showing)), 3),
        shelf=len(shelf),
        silent=len(silent),
        left_empty=round(sum(summary.said.empty for summary in silent) / max(1, len(silent)), 3),
    )


def _engines(models: Path) -> tuple[LoadedEngines, Reader]:
    profile = load_profile("base", models)
    speech = load_speech(path_of(profile, "speech"), settings=profile.speech.settings)
    language = load_language(path_of(profile, "language"), settings=profile.language.settings)
    if not (models / "minilm").is_dir():
        raise FileNotFoundError(models / "minilm")
    fakes = fake_engines()
    engines = LoadedEngines(PyAvDecoder(), speech, language, fakes.vision, fakes.fusion)
    return engines, minilm(models / "minilm")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.public", description=__doc__)
    parser.add_argument("--models", type=Path, required=True, help="the folder of checkpoints")
    parser.add_argument("--piper", type=Path, help="a Python interpreter that has piper-tts")
    parser.add_argument("--voice", type=Path, help="its voice, an .onnx file with its .json beside it")
    parser.add_argument("--report", type=Path, help="JSON file with the numbers, and every word and summary")
    told = parser.parse_args(arguments)
    try:
        engines, read = _engines(told.models)
    except (MissingModel, FileNotFoundError) as missing:
        sys.exit(WHAT_TO_DO.format(missing=missing))
    shows = [recorded(DEMO)]
    if told.piper and told.voice:
        shows.append(spoken_show(told.piper, told.voice))
    else:
        print("without --piper and --voice the spoken show is left out (python -m venv V; V/bin/pip install piper-tts)")
    report = dict[str, object]()
    for show in shows:
        heard, summaries = played(show, engines)
        numbers = asdict(reached(show, heard, summaries, read))
        print(show.name, json.dumps(numbers, indent=1))
        told_of = [{"start_ms": one.start_ms, "shown": str(show.labels.truth(one.start_ms, one.end_ms)),
                    "heard": one.heard, "summary": one.said.text} for one in summaries]  # fmt: skip
        report[show.name] = {"numbers": numbers, "segments": told_of}
    if told.report:
        told.report.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
