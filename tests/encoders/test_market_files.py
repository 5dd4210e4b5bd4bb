"""The large shop as files: media that production reads, and a truth that bounds what is known of them."""

import json
from collections import Counter
from pathlib import Path

import pytest

from encoders.engines import FRAMES_PER_CLIP, Domain
from encoders.manifest import read_manifest
from encoders.media import PyAvDecoder
from encoders.world import market
from encoders.world.clips import LIVE_S
from encoders.world.market import joined, make_market_files
from encoders.world.shop import SIBLINGS
from encoders.world.voices import SAMPLE_RATE_HZ

pytestmark = pytest.mark.model

COMMITTED = Path(market.__file__).parents[1] / "models" / "evaluation"


def test_a_distractor_is_a_page_with_its_title_and_its_facts(tmp_path: Path) -> None:
    make_market_files("distractor", [2], tmp_path, (0, 1))
    joined(tmp_path, 1)
    views = read_manifest(tmp_path / "manifest.jsonl")
    assert [(view.domain, view.split) for view in views] == [(Domain.PAGE, "distractor")] * SIBLINGS
    assert all(view.text and (tmp_path / str(view.media)).is_file() for view in views)
    committed = {json.loads(line)["view_id"]: line for line in (COMMITTED / "truth.jsonl").read_text().splitlines()}
    told = {json.loads(line)["view_id"]: line for line in (tmp_path / "truth.jsonl").read_text().splitlines()}
    assert told.items() <= committed.items()
    assert len(told) == SIBLINGS


def test_the_files_of_a_family_are_read_as_production_reads_them(tmp_path: Path) -> None:
    make_market_files("valid", [2], tmp_path, (0, 1))
    joined(tmp_path, 1)
    views = read_manifest(tmp_path / "manifest.jsonl")
    truth = [json.loads(line) for line in (tmp_path / "truth.jsonl").read_text().splitlines()]
    assert [view.view_id for view in views] == [told["view_id"] for told in truth]
    assert Counter(view.domain for view in views) == dict.fromkeys(Domain, SIBLINGS)
    decoder = PyAvDecoder()
    for view in views:
        assert view.media is not None
        media = (tmp_path / view.media).read_bytes()
        if view.domain is Domain.PAGE:
            assert view.text and decoder.image(media).shape == (1, 192, 192, 3)
        else:
            assert view.text is None and decoder.clip(media).frames.shape == (FRAMES_PER_CLIP, 192, 192, 3)
    live = next(view for view in views if view.domain is Domain.LIVE)
    sound = decoder.audio((tmp_path / str(live.media)).read_bytes())
    assert abs(len(sound) / 2 / SAMPLE_RATE_HZ - LIVE_S) < 0.5
