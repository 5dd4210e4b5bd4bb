"""``python -m tests.bench.llm_texts``: a profile's own summaries of the encoder comparison's test views, as a file.

The transcripts are the committed ones (``encoders/models/evaluation/texts.jsonl``), the way is production's: the window
and its turns, the model, the support rule (`streams/said.py`). Words have no times there, so they are spread over the
clip. Products are drawn a family at a time, so that siblings stand together. A run that was ended goes on where it was.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
from rich.progress import track

from encoders.engines import Domain, Heard, HeardWord, LanguageModel
from encoders.language import load_language
from encoders.profiles import load_profile, path_of
from encoders.world.clips import LIVE_S
from infra.settings import read_settings
from streams.said import question
from streams.world_evaluation import COMMITTED, TEXTS, committed_texts

FAMILIES, SEED = 52, 17
"""Four siblings each: 208 products."""


def views(families: int, seed: int) -> Iterator[tuple[str, str]]:
    """The video and the live clip of every product of a seeded choice of test families, with what was heard."""
    known = {name: text.spoken for name, text in committed_texts(COMMITTED / TEXTS).items() if name.startswith("test-")}
    products = sorted({name.rpartition("/")[0] for name in known})
    by_family: dict[str, list[str]] = {}
    for product in products:
        split, family, _, shop = product.rsplit("-", 3)
        by_family.setdefault(f"{split}-{family}-{shop}", []).append(product)
    named = sorted(by_family)
    picked = [named[int(i)] for i in np.random.default_rng(seed).permutation(len(named))[:families]]
    names = chain.from_iterable(by_family[family] for family in picked)
    return ((f"{name}/{domain}", known[f"{name}/{domain}"]) for name in names for domain in (Domain.VIDEO, Domain.LIVE))


def text_of(view_id: str, spoken: str, model: LanguageModel) -> str:
    """What the text tower reads of a view."""
    words, step = spoken.split(), LIVE_S * 1000 / max(1, len(spoken.split()))
    timed = (HeardWord(word, int(at * step), int((at + 1) * step), 1.0) for at, word in enumerate(words))
    due = question(Heard(tuple(timed), "en", LIVE_S * 1000), Domain(view_id.rpartition("/")[2]))
    return due.settle(model.complete(due.window)).text if due else ""


def main() -> None:
    """Write what is missing."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.llm_texts", description=__doc__)
    parser.add_argument("--profile", default="base", help="whose language model (default: base; needs VITRINE_MODELS)")
    parser.add_argument("--families", type=int, default=FAMILIES)
    parser.add_argument("--out", type=Path, default=COMMITTED / "llm-0.5b.jsonl")
    told = parser.parse_args()
    profile = load_profile(told.profile, read_settings().models)
    model = load_language(path_of(profile, "language"), settings=profile.language.settings)
    with told.out.open("a+", encoding="utf-8", newline="\n") as out:
        out.seek(0)
        made = {json.loads(line)["view_id"] for line in out}
        for view_id, spoken in track(list(views(told.families, SEED)), "summaries"):
            if view_id not in made:
                line = {"view_id": view_id, "text": text_of(view_id, spoken, model)}
                out.write(json.dumps(line, ensure_ascii=False) + "\n")
                out.flush()


if __name__ == "__main__":
    main()
