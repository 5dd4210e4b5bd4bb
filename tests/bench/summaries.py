"""``python -m tests.bench.summaries``: what a profile's language model makes of hosts' speech, after the support rule.

Two kinds of windows: of the demo world, what a shipped recogniser heard (`tests/bench/world_windows.py`), and
speech that was written for this measurement, as a recogniser writes it. Each kind has a set for tuning and one for the
test, and no window, product or brand is in both. Answers go the way that they go in production: form, support, summary.

**A name is right** if it has what a perfect reader of the window could have copied, and no word of anything else:

- the product is the one that the window shows (in the world, the one that it is about last);
- the maker, in any of the spellings in which the window has it: the words that stand where the maker was said, unless
  the recogniser wrote words of the shop there. Where it is nowhere legible it is not asked for;
- the noun, in any of the forms that the host used and that were heard as they were said; where none was, not asked for;
- every word of the name was heard as a part of that product: its name, or what is said of it. One other word makes it
  wrong, as does a word of another product, and so does an answer of *empty*.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from rich.progress import track

from agents.summary_form import content_words, parse, supported, words_of
from encoders.language import load_language
from encoders.profiles import load_profile, path_of
from infra.settings import read_settings
from schemas.observation import Said

HERE = Path(__file__).parent
Set = Literal["tuning", "test"]


@dataclass(frozen=True, slots=True)
class Heard:
    """One window and what a summary of it says; ``name`` None: nothing of a product."""

    text: str
    name: str | None
    needs: tuple[tuple[str, ...], ...]
    """Without these it would be another product: the noun, and the maker where one is given; each in any one form."""
    features: tuple[str, ...]
    known: tuple[str, ...] = ()
    """Words that the name may have beside those of ``name`` and ``features``."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered to a window, and what of it is left when only what was said counts."""

    heard: Heard
    raw: str
    said: Said

    @property
    def named(self) -> bool:
        """The name has what it needs and nothing of another product."""
        words = set(content_words(self.said.product_name))
        forms = (form for need in self.heard.needs for form in need)
        known = set(content_words(" ".join((self.heard.name or "", *forms, *self.heard.features, *self.heard.known))))
        told = (any(words.issuperset(content_words(form)) for form in need) for need in self.heard.needs)
        return bool(words) and all(told) and words <= known


@dataclass(frozen=True, slots=True)
class Scores:
    """Shares of windows, each with the number that it is a share of."""

    windows: int
    in_form: float
    invented_words: int
    """In all summaries together, after the support rule."""
    struck_words: int
    """What the model said and the support rule did not let through."""
    empties: int
    empty_recall: float
    empty_precision: float
    named: int
    name_right: float
    """Of the windows with a product; a window that was taken as empty counts as wrong."""
    features_f1: float
    """Over words."""
    s_per_answer: float


def world(which: Set, count: int) -> list[Heard]:
    """Windows of the demo world's test products, which no training saw; the tuning windows are of other products."""
    return _read(HERE / f"world_{which}.jsonl")[:count]


def hosts(which: Set) -> list[Heard]:
    """Windows that were written for this."""
    return _read(HERE / f"hosts_{which}.jsonl")


def _read(path: Path) -> list[Heard]:
    with path.open(encoding="utf-8", newline="\n") as lines:
        return [_heard(json.loads(line)) for line in lines]


def _heard(one: dict[str, Any]) -> Heard:
    needs = tuple((need,) if isinstance(need, str) else tuple(need) for need in one["needs"])
    return Heard(one["heard"], one["name"], needs, tuple(one["features"]), tuple(one.get("known", ())))


def answered(heard: Iterable[Heard], complete: Callable[[str], str]) -> list[Answer]:
    """Each window as production answers it."""
    given = ((window, complete(window.text)) for window in heard)
    return [Answer(window, raw, supported(parse(raw) or Said(), window.text)) for window, raw in given]


def scores(given: Sequence[Answer], seconds: float = 0.0) -> Scores:
    """What these answers reach. Raises ValueError for no answers."""
    full = [one for one in given if one.heard.name]
    empty = [one for one in given if not one.heard.name]
    called = [one for one in given if one.said.empty]
    both = sum(len(_words(one.said.features) & _words(one.heard.features)) for one in full)
    every = sum(len(_words(one.said.features)) + len(_words(one.heard.features)) for one in full)
    return Scores(
        windows=len(given),
        in_form=_share([parse(one.raw) is not None for one in given]),
        invented_words=sum(len(_unsaid(one.said, one.heard.text)) for one in given),
        struck_words=sum(len(_unsaid(parse(one.raw) or Said(), one.heard.text)) for one in given),
        empties=len(empty),
        empty_recall=_share([one.said.empty for one in empty]),
        empty_precision=_share([not one.heard.name for one in called]),
        named=len(full),
        name_right=_share([one.named for one in full]),
        features_f1=round(2 * both / max(1, every), 3),
        s_per_answer=round(seconds / len(given), 2),
    )


def _words(features: Iterable[str]) -> set[str]:
    return set(content_words(" ".join(features)))


def _unsaid(said: Said, speech: str) -> set[str]:
    return set(content_words(" ".join((said.product_name, *said.features)))) - set(words_of(speech))


def _share(hits: Sequence[bool]) -> float:
    return round(sum(hits) / len(hits), 3) if hits else 0.0


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.summaries", description=__doc__)
    parser.add_argument("--profile", default="base", help="whose language model (default: base; needs VITRINE_MODELS)")
    parser.add_argument("--set", choices=("tuning", "test"), default="test", dest="which")
    parser.add_argument("--windows", type=int, default=1000, help="at most, of the demo world")
    parser.add_argument("--report", type=Path, help="JSON file with the scores and every answer")
    told = parser.parse_args()
    profile = load_profile(told.profile, read_settings().models)
    engine = load_language(path_of(profile, "language"), settings=profile.language.settings)
    report = dict[str, object]()
    for kind, heard in (("world", world(told.which, told.windows)), ("hosts", hosts(told.which))):
        began_s = time.perf_counter()
        given = answered(track(heard, kind), engine.complete)
        reached = scores(given, time.perf_counter() - began_s) if given else None
        print(kind, json.dumps(asdict(reached) if reached else None, indent=1))
        report[kind] = {"scores": asdict(reached) if reached else None, "answers": [_told(one) for one in given]}
    if told.report:
        told.report.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _told(one: Answer) -> dict[str, object]:
    return {"heard": one.heard.text, "wanted": one.heard.name, "raw": one.raw, "name": one.said.product_name,
            "features": one.said.features, "right": one.named if one.heard.name else one.said.empty}  # fmt: skip


if __name__ == "__main__":
    main()
