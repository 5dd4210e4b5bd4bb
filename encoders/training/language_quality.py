"""Windows on brands that training never had → how well the summarizer answers, through the product's own engine.

python -m encoders.training.language_quality --model FILE.gguf --windows 300
"""

import argparse
import itertools
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from encoders.language import load_language
from encoders.profiles import load_profile
from encoders.world.script import EMPTY
from encoders.world.windows import USUAL, Noise, Window, heard_by, windows

SEED = 9001
QUIET = Noise(attribute=0, brand=0, other=0, lost=0)


@dataclass(frozen=True, slots=True)
class Answered:
    """What was to be said and what was."""

    wanted: str
    answer: str

    @property
    def is_exact(self) -> bool:
        return self.wanted == self.answer


def answers(model: Path, heard: Sequence[Window]) -> tuple[list[Answered], float]:
    """The model's answers, and the seconds that one took in the mean."""
    engine = load_language(model, settings=load_profile("demo").language.settings)
    began = time.perf_counter()
    given = [Answered(window.answer(), engine.complete(window.text)) for window in heard]
    return given, (time.perf_counter() - began) / len(given)


def scores(given: Sequence[Answered]) -> dict[str, float]:
    """Shares of windows, precision and recall of ``empty``, and F1 of the features over all windows."""
    full = [one for one in given if EMPTY not in (one.wanted, one.answer)]
    called_empty = [one for one in given if one.answer == EMPTY]
    truly_empty = [one for one in given if one.wanted == EMPTY]
    wanted = [set(features_of(one.wanted)) for one in full]
    found = [set(features_of(one.answer)) for one in full]
    both = sum(len(a & b) for a, b in zip(wanted, found, strict=True))
    every = sum(map(len, wanted)) + sum(map(len, found))
    return {
        "n": len(given),
        "exact": _share([one.is_exact for one in given]),
        "name_exact": _share([name_of(one.wanted) == name_of(one.answer) for one in full]),
        "brand_exact": _share([name_of(one.wanted).split()[:1] == name_of(one.answer).split()[:1] for one in full]),
        "features_f1": round(2 * both / max(1, every), 3),
        "empty_precision": _share([one.wanted == EMPTY for one in called_empty]),
        "empty_recall": _share([one.answer == EMPTY for one in truly_empty]),
    }


def name_of(form: str) -> str:
    return form.partition("\n")[0].removeprefix("Product name: ")


def features_of(form: str) -> list[str]:
    listed = form.partition("\nFeatures:")[2]
    return [feature.strip() for feature in listed.split(",") if feature.strip()]


def _share(hits: Sequence[bool]) -> float:
    return round(sum(hits) / len(hits), 3) if hits else 0.0


def measure(model: Path, count: int) -> dict[str, dict[str, float]]:
    """The scores on held-out windows as they are heard, and on the same kind without any misheard word."""
    report = {}
    for name, hearings in (("as heard", USUAL), ("every word right", heard_by(QUIET))):
        given, seconds = answers(model, list(itertools.islice(windows(SEED, "test", hearings), count)))
        report[name] = scores(given) | {"ms_per_answer": round(1000 * seconds, 1)}
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the demo summarizer on products it never saw.")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--windows", type=int, default=300)
    arguments = parser.parse_args()
    print(json.dumps(measure(arguments.model, arguments.windows), indent=2))


if __name__ == "__main__":
    main()
