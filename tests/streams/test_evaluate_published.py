"""From the files of a published data set, small, to printed figures: ``vitrine manifest``, views, ``vitrine evaluate``.

The views are prepared with fake engines, which see the pictures and read the texts.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from encoders.loaded import Identities
from encoders.manifest import read_manifest
from infra.kept import Kept
from streams.cli import run
from streams.prepare import each, gather
from streams.preparing import Preparer
from tests.encoders.evaluation.samples import write_network
from tests.encoders.test_network import CONFIG, SHAPE
from tests.fakes.engines import LOOK_DIM, fake_engines, fake_picture

pytestmark = pytest.mark.hermetic

ROOMS = ("7b601b02-2c63-11ee-bb6d-b8cef60c2fd0", "11111111-2c63-11ee-bb6d-b8cef60c2fd0")
SOLD, SHOWN = 20, 12
"""Images on a room's shelf, and how many of them have a clip."""
MODELS = Identities("speech", "language", "vision")
ROWS = "[ampere]\nnetwork = 'net'\n[visual]\nnetwork = 'net'\ntext = 'none'\n"

Result = Mapping[str, Any]


def picture(path: Path, look: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(fake_picture(look))


def lpr4m(folder: Path) -> None:
    """Two live rooms."""
    queries, right, gallery = dict[str, Any](), dict[str, Any](), list[str]()
    for room in ROOMS:
        for number in range(SOLD):
            image, look = f"fff8b4{number:02d}-2eeb-11ee-b7bb-77cb20e634dc", f"{room[0]}-{number}"
            gallery.append(f"{room}/{image}-0.jpg")
            picture(folder / "gallery" / gallery[-1], look)
            if number < SHOWN:
                clip = f"{room}-{number}-{number + 1}"
                queries[clip], right[clip] = {"frames": [f"{clip}/0001.jpg"]}, [image]
                picture(folder / "query" / clip / "0001.jpg", look)
    notes = folder / "annotations"
    notes.mkdir()
    (notes / "query_tenframes.json").write_text(json.dumps(queries))
    (notes / "test_videoid_to_gtimage_20079.json").write_text(json.dumps(right))
    (notes / "gallery_main.txt").write_text("\n".join(gallery))


def rope(folder: Path) -> None:
    """A test set of 20 products with a page: 16 have a live clip, 8 of these and 2 others a video."""
    numbers = {"page": range(20), "video": range(8, 18), "live": range(16)}
    texts = {"page": "page_titles", "video": "video_asrs", "live": "live_asrs"}
    pictures = {"page": "page_images", "video": "video_frames", "live": "live_clips"}
    for kind, those in numbers.items():
        at = "" if kind == "page" else "1, "
        lines = {
            f"product_{kind}s_pair": [f"{number}, {100 + number}" for number in those],
            texts[kind]: [f"{100 + number}, red mug {number}" for number in those],
            pictures[kind]: [f"{100 + number}, {at}{kind}-{number}.jpg" for number in those],
        }
        for name, told in lines.items():
            (folder / f"test_{name}.txt").write_text("\n".join(told))
        for number in those:
            picture(folder / "images" / f"{kind}-{number}.jpg", f"look-{number}")


@pytest.fixture
def evaluated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Evaluates a data set in one of the layouts; gives the result and what was printed."""

    def evaluate(layout: str) -> tuple[Result, str]:
        folder, views = tmp_path / layout, tmp_path / "views.jsonl"
        folder.mkdir()
        {"lpr4m": lpr4m, "rope": rope}[layout](folder)
        assert run(["manifest", str(folder), "--layout", layout, "--out", str(views)]) == 0
        preparer = Preparer(fake_engines, MODELS, Kept(tmp_path / "kept"), tmp_path)
        gather(list(each(read_manifest(views), preparer, 1)), preparer, tmp_path / "prepared")
        shape = replace(SHAPE, vision_dim=LOOK_DIM)
        write_network(tmp_path / "nets" / "net", config=replace(CONFIG, tower="fake-tower", shape=shape))
        (tmp_path / "nets" / "rows.toml").write_text(ROWS)
        capsys.readouterr()
        words = ["--manifest", str(tmp_path / "prepared"), "--networks", str(tmp_path / "nets"), "--out", str(tmp_path)]
        assert run(["evaluate", "encoder", *words]) == 0
        assert "<h2>Retrievals" in (tmp_path / "evaluation.html").read_text()
        return json.loads((tmp_path / "evaluation.json").read_text()), capsys.readouterr().out

    return evaluate


def test_lpr4m_which_has_no_videos_is_judged_between_clips_and_images(evaluated: Any) -> None:
    result, shown = evaluated("lpr4m")
    ways = result["rows"]["ampere"]
    assert list(ways) == ["page_to_live", "live_to_page", "shelf"]
    assert ways["live_to_page"]["queries"] == ways["page_to_live"]["queries"] == len(ROOMS) * SHOWN
    assert result["measured_on"]["views"] == {"page": len(ROOMS) * SOLD, "video": 0, "live": len(ROOMS) * SHOWN}
    assert result["measured_on"]["distractors_of"] == {"test": len(ROOMS) * (SOLD - SHOWN)}
    assert result["rows"]["visual"]["live_to_page"]["r1"] > 0.5, "each clip shows its image"
    assert set(result["union"]["ampere"]["own_domain_share"]) == {"all", "page", "live"}
    assert "left out: video_to_page: no product of the split has a video and a page view" in shown
    assert "note: shelf: the family of 24 of 24 products is larger than 16; 15 siblings of each are drawn" in shown
    assert "claim against visual" in shown
    assert "nan" not in json.dumps(result).lower()


def test_rope_is_judged_over_the_products_that_have_both_views_of_a_direction(evaluated: Any) -> None:
    result, shown = evaluated("rope")
    asked = {way: figures["queries"] for way, figures in result["rows"]["ampere"].items()}
    assert asked == {
        "page_to_video": 10,
        "page_to_live": 16,
        "video_to_page": 10,
        "video_to_live": 8,
        "live_to_page": 16,
        "live_to_video": 8,
        "shelf": 16,
    }
    assert "note: page_to_video: about 10 of 18 products, those that have both views" in shown
    assert "note: no view says its family: none is known" in shown
    assert "left out: shelf of 100: 100 products wanted, 20 are there" in shown


def test_what_is_printed_are_the_figures_of_the_file(evaluated: Any) -> None:
    result, shown = evaluated("lpr4m")
    for name in ("ampere", "visual"):
        for way in ("page_to_live", "live_to_page", "shelf"):
            for metric in ("r1", "r3", "r5", "r10", "map"):
                assert f"{result['rows'][name][way][metric]:.3f}" in shown
        for share in result["union"][name]["own_domain_share"].values():
            assert re.search(rf"\b{share:.3f}\b", shown)
    assert max(map(len, shown.partition("claim")[0].splitlines())) <= 80
