"""A trained Whisper → the folder that faster-whisper loads: CTranslate2 int8 weights, tokenizer, mel settings."""

import argparse
import json
import shutil
import tempfile
from pathlib import Path

import torch
from ctranslate2.converters import TransformersConverter
from tokenizers import Tokenizer
from transformers import GenerationConfig, PreTrainedTokenizerFast

from encoders.training.speech_model import SpeechTrainee

PREPROCESSOR = {"feature_size": 80, "sampling_rate": 16000, "hop_length": 160, "chunk_length": 30, "n_fft": 400}


def export(trainee: SpeechTrainee, out: Path) -> Path:
    """Writes ``out/model`` from the weights and ``out/tokenizer.json``, replacing what is there."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source"
        trainee.whisper.generation_config = GenerationConfig(
            suppress_tokens=[], begin_suppress_tokens=[], lang_to_id={}
        )
        trainee.whisper.save_pretrained(source)
        tokenizer = Tokenizer.from_file(str(out / "tokenizer.json"))
        PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(source)
        shutil.copy(out / "tokenizer.json", source / "tokenizer.json")
        (source / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR))
        copied = ["tokenizer.json", "preprocessor_config.json"]
        converter = TransformersConverter(str(source), copy_files=copied)
        converter.convert(str(out / "model"), quantization="int8", force=True)
    return out / "model"


def main() -> None:
    parser = argparse.ArgumentParser(description="Export the last checkpoint of a training run.")
    parser.add_argument("--out", type=Path, required=True)
    out: Path = parser.parse_args().out
    trainee = SpeechTrainee()
    trainee.load_state_dict(torch.load(out / "checkpoint.pt", weights_only=True)["module"])
    print(export(trainee, out))


if __name__ == "__main__":
    main()
