"""The committed comparison: it was made of the committed files, and it is what the README of `encoders` says."""

import json
import re
from hashlib import sha256
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from encoders.evaluation.claim import claim
from encoders.evaluation.networks import checksum

pytestmark = pytest.mark.hermetic

ROOT = Path(__file__).parents[3]
MODELS = ROOT / "encoders" / "models"
COMMITTED = MODELS / "evaluation"
WAYS = (
    "page_to_video", "page_to_live", "video_to_page", "video_to_live", "live_to_page", "live_to_video", "shelf",
)  # fmt: skip
ROWS = {
    "visual": "picture alone",
    "text": "text alone",
    "raw_asr": "raw speech alone, 32 tokens",
    "visual_raw_asr": "picture + raw speech, 32 tokens",
    "visual_raw_asr_uncut": "picture + raw speech, all of it",
    "visual_keywords": "picture + keywords of the speech",
    "late_fusion": "late fusion, text × 0.3",
    "late_fusion_tuned": "late fusion, tuned on validation",
    "ampere": "**AMPere (shipped)**",
    "ampere_one_branch": "AMPere with one branch for all",
    "bound": "all that was shown and said, read without error",
}

WIDTHS = {
    "ampere_32d": "32 numbers",
    "ampere_64d": "64 numbers",
    "ampere": "128 numbers, 12 terms",
    "ampere_256d": "256 numbers",
    "ampere_3_terms": "3 terms",
    "ampere_6_terms": "6 terms",
}
SEEDS = {name: ROWS[name] for name in ("visual", "text", "visual_raw_asr", "late_fusion", "late_fusion_tuned")}
SEEDS["ampere"] = "AMPere"


def other(name: str) -> dict[str, Any]:
    """A result that is committed beside the comparison."""
    told: dict[str, Any] = json.loads((COMMITTED / "others" / f"{name}.json").read_text())
    return told


def short(value: float) -> str:
    """A share as the tables have it: ``.123``."""
    return re.sub("^0", "", f"{value:.3f}")


def own_domain_share(found: dict[str, Any]) -> str:
    """How many of the first answers in one gallery are of the query's own domain: ``12 %``."""
    return f"{found['own_domain_share']['all']:.0%}".replace("%", " %")


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    told: dict[str, Any] = json.loads((COMMITTED / "evaluation.json").read_text())
    return told


def test_it_was_made_of_the_files_that_are_committed(result: dict[str, Any]) -> None:
    networks = [made for row in result["made_of"].values() for made in row.get("networks", {}).items()]
    files = [(row["file"], row["sha256"]) for row in result["made_of"].values() if "file" in row]
    assert len(networks) >= 9 and len(files) >= 2
    assert {name: checksum(COMMITTED / name) for name, _ in networks} == dict(networks)
    assert {name: sha256((COMMITTED / name).read_bytes()).hexdigest() for name, _ in files} == dict(files)


def test_its_claim_follows_from_its_numbers(result: dict[str, Any]) -> None:
    assert json.loads(json.dumps(claim(result))) == result["claim"]


def test_the_readme_has_its_numbers(result: dict[str, Any]) -> None:
    readme = (ROOT / "encoders" / "README.md").read_text()
    for name, words in ROWS.items():
        values = [short(result["rows"][name][way]["r1"]) for way in WAYS]
        assert f"| {words} | {' | '.join(values)} |" in readme, name


def test_the_first_page_has_its_answer_for_live_clips(result: dict[str, Any]) -> None:
    page = " ".join((ROOT / "README.md").read_text().split())
    said = {
        "visual": "picture alone",
        "text": "text alone",
        "visual_raw_asr": "picture and raw speech",
        "late_fusion": "late fusion",
        "ampere": "AMPere",
    }
    told = ", ".join(f"{words} {short(result['rows'][name]['live_to_page']['r1'])}" for name, words in said.items())
    assert f"Live clip to page, R@1: {told}." in page


def test_the_readme_has_how_far_down_the_shelf_it_is_found_and_what_repaired_names_add(result: dict[str, Any]) -> None:
    readme = " ".join((ROOT / "encoders" / "README.md").read_text().split())
    for name, words in (("ampere", "as heard"), ("ampere_shelf_hint", "as the shelf repairs it")):
        values = [short(result["rows"][name]["shelf"][metric]) for metric in ("r1", "r3", "r5", "r10")]
        assert f"| {words} | {' | '.join(values)} |" in readme, name
    assert result["paired"]["ampere_shelf_hint"]["shelf"] == [0.0, 0.0]
    assert "changes no first answer" in readme


def test_the_readme_has_what_is_found_where_nothing_was_said(result: dict[str, Any]) -> None:
    readme = " ".join((ROOT / "encoders" / "README.md").read_text().split())
    for name in ("late_fusion", "late_fusion_tuned", "ampere", "bound"):
        parts = [result["by_speech"][name][way] for way in ("live_to_page", "page_to_live", "video_to_live")]
        values = [f"{short(part['told']['r1'])}, {short(part['silent']['r1'])}" for part in parts]
        assert f"| {ROWS[name]} | {' | '.join(values)} |" in readme, name
    told, silent = (result["by_speech"]["late_fusion"]["live_to_page"][part] for part in ("told", "silent"))
    low, high = map(short, told["ours_minus"])
    assert f"Of the {told['queries']} others it leads × 0.3 too (paired {low} to {high})" in readme
    assert f"{silent['queries']} of the 1,008" in readme


def test_the_readme_has_what_is_found_in_one_gallery(result: dict[str, Any]) -> None:
    readme = (ROOT / "encoders" / "README.md").read_text()
    for name in ("late_fusion", "late_fusion_tuned", "ampere", "ampere_one_branch", "bound"):
        found = result["union"][name]
        assert f"| {ROWS[name]} | {short(found['r1'])} | {own_domain_share(found)} |" in readme, name


def test_the_card_has_what_each_seed_finds(result: dict[str, Any]) -> None:
    card = (COMMITTED / "CARD.md").read_text()
    seeds = [result, *(other(f"seed-{number}") for number in (2, 3))]
    assert len({seed["measured_on"]["tower"] for seed in seeds}) == 1
    for name, words in SEEDS.items():
        rows = [seed["rows"][name] for seed in seeds]
        values = [short(fmean(row[way]["r1"] for way in WAYS if way != "shelf")) for row in rows]
        assert f"| {words} | {' | '.join(values)} |" in card, name


def test_the_card_has_what_each_seed_finds_by_raw_speech(result: dict[str, Any]) -> None:
    others = [other(f"raw-speech-{number}") for number in (2, 3)]
    assert all((seed["measured_on"]["tower"], seed["measured_on"]["products"]) == ("", 1008) for seed in others)
    rows = [seed["rows"]["raw_asr"] for seed in (result, *others)]
    values = [short(fmean(row[way]["r1"] for way in WAYS if way != "shelf")) for row in rows]
    assert f"| {ROWS['raw_asr']} | {' | '.join(values)} |" in (COMMITTED / "CARD.md").read_text()


def test_the_card_has_what_is_found_in_one_gallery_by_every_seed(result: dict[str, Any]) -> None:
    card = (COMMITTED / "CARD.md").read_text()
    seeds = [result, *(other(f"seed-{number}") for number in (2, 3))]
    for name in ("late_fusion", "late_fusion_tuned", "ampere"):
        found = [seed["union"][name] for seed in seeds]
        values = ", ".join(short(each["r1"]) for each in found)
        shares = ", ".join(own_domain_share(each) for each in found)
        assert f"| {SEEDS[name]} | {values} | {shares} |" in card, name


def test_the_card_has_what_widths_and_terms_find() -> None:
    card, found = (COMMITTED / "CARD.md").read_text(), other("widths-and-terms")
    for name, words in WIDTHS.items():
        values = [short(found["rows"][name][way]["r1"]) for way in WAYS]
        assert f"| {words} | {' | '.join(values)} | " in card, name


def test_all_shipped_weights_stay_within_25_mb() -> None:
    weights = [path for path in MODELS.rglob("*") if path.suffix in {".safetensors", ".gguf", ".bin"}]
    assert len(weights) >= 8
    assert sum(path.stat().st_size for path in weights) <= 25_000_000
