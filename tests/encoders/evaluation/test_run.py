"""A whole evaluation of untrained networks: the result's form, its bytes, and the page that is made of it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from encoders.evaluation.build import Means, Row
from encoders.evaluation.examples import Answer, Example, Shot, album_of
from encoders.evaluation.intervals import Bootstrap
from encoders.evaluation.report import page
from encoders.evaluation.rows import RowsError
from encoders.evaluation.run import Evaluation, evaluate, steps_in, write_result
from encoders.manifest import ManifestError
from tests.encoders.evaluation.samples import (
    make_bench,
    make_distractors,
    make_views,
    noisy,
    write_network,
    write_networks,
    write_views,
)

pytestmark = pytest.mark.hermetic

DIRECTIONS = {
    "page_to_video",
    "page_to_live",
    "video_to_page",
    "video_to_live",
    "live_to_page",
    "live_to_video",
}
BOOTSTRAP = Bootstrap(seed=0, draws=100)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Views and networks."""
    folder = tmp_path_factory.mktemp("evaluation")
    views = [*make_views(16), *make_views(4, "valid"), *make_views(2, "train"), *make_distractors(4)[2:]]
    return write_views(folder / "views", views), write_networks(folder / "networks", views)


@pytest.fixture(scope="module")
def told() -> list[str]:
    return []


@pytest.fixture(scope="module")
def evaluation(folders: tuple[Path, Path], told: list[str]) -> Evaluation:
    return evaluate([folders[0]], folders[1], BOOTSTRAP, told.append)


@pytest.fixture(scope="module")
def result(evaluation: Evaluation) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(json.dumps(evaluation.result))
    return read


def page_of(evaluation: Evaluation) -> str:
    album = album_of(evaluation.rows, evaluation.bench)
    return page(evaluation.result, album.examples(0), album.task.name)


def test_each_row_has_the_six_directions_and_the_shelf(result: dict[str, Any]) -> None:
    expected = {"visual", "text", "raw_asr", "late_fusion", "late_fusion_tuned", "ampere", "ampere_llm_0.5b", "bound"}
    expected |= {"ampere_same_products"}
    assert set(result["rows"]) == expected
    for ways in result["rows"].values():
        assert set(ways) == {*DIRECTIONS, "shelf"}
        for figures in ways.values():
            low, high = figures["r1_ci"]
            assert 0 <= low <= figures["r1"] <= high <= 1
            assert figures["r1"] <= figures["r3"] <= figures["r5"] <= figures["r10"] <= 1
            assert 0 < figures["map"] <= 1


def test_every_other_row_is_paired_with_ours(result: dict[str, Any]) -> None:
    assert set(result["paired"]) == set(result["rows"]) - {"ampere"}
    for ways in result["paired"].values():
        assert set(ways) == {*DIRECTIONS, "shelf"}
        assert all(-1 <= low <= high <= 1 for low, high in ways.values())


def test_a_pair_holds_the_difference_of_the_means(result: dict[str, Any]) -> None:
    for other in ("visual", "text", "bound"):
        for way, (low, high) in result["paired"][other].items():
            assert low <= result["rows"]["ampere"][way]["r1"] - result["rows"][other][way]["r1"] <= high


def test_the_parts_of_a_split_make_up_the_whole(result: dict[str, Any]) -> None:
    for row, ways in result["by_difference"].items():
        for way, parts in ways.items():
            assert set(parts) <= {"picture", "speech", "both"}
            whole = result["union"][row] if way == "union" else result["rows"][row][way]
            assert sum(part["queries"] for part in parts.values()) == whole["queries"]
            found = sum(part["r1"] * part["queries"] for part in parts.values()) / whole["queries"]
            assert found == pytest.approx(whole["r1"], abs=1e-5)


def test_large_galleries_and_the_union_are_split_like_the_directions(tmp_path: Path) -> None:
    views = [*make_views(12), *make_distractors(1_000)]
    write_network(tmp_path / "nets" / "net")
    (tmp_path / "nets" / "rows.toml").write_text("[ampere]\nnetwork = 'net'\n")
    found = evaluate([write_views(tmp_path / "views", views)], tmp_path / "nets", BOOTSTRAP, lambda _: None).result
    split = found["by_difference"]["ampere"]
    assert list(split)[-3:] == ["union", "gallery_1k_video_to_page", "gallery_1k_live_to_page"]
    for way in ("video_to_page", "live_to_page"):
        parts, whole = split[f"gallery_1k_{way}"].values(), found["gallery_1k"]["ampere"][way]
        assert [part["queries"] for part in parts] == [4, 4, 4]
        assert sum(part["map"] for part in parts) / 3 == pytest.approx(whole["map"], abs=1e-5)
    assert [part["queries"] for part in split["union"].values()] == [12, 12, 12]


def test_the_bound_of_a_world_that_tells_everything_is_one(result: dict[str, Any]) -> None:
    assert {figures["r1"] for figures in result["rows"]["bound"].values()} == {1.0}


def test_rows_with_other_texts_are_asked_about_the_products_that_have_them(result: dict[str, Any]) -> None:
    assert result["rows"]["ampere_llm_0.5b"]["live_to_page"]["queries"] == 8
    assert result["rows"]["ampere"]["live_to_page"]["queries"] == 16


def test_a_row_may_be_asked_about_the_products_of_other_texts_with_its_own(result: dict[str, Any]) -> None:
    ways = result["rows"]["ampere_same_products"]
    assert {figures["queries"] for figures in ways.values()} == {8}
    assert result["paired"]["ampere_same_products"]["live_to_page"] == [0.0, 0.0]  # the same answers as AMPere's


def test_rows_are_paired_on_the_products_that_both_are_asked_about(folders: tuple[Path, Path], tmp_path: Path) -> None:
    write_network(tmp_path / "net")
    for name, views in (("first", make_views(16)[:24]), ("last", make_views(16)[24:])):
        lines = [json.dumps({"view_id": view.view_id, "text": ""}) for view in views]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines))
    (tmp_path / "rows.toml").write_text(
        "[ampere]\nnetwork = 'net'\nasked = 'first.jsonl'\n"
        "[visual]\nnetwork = 'net'\ntext = 'none'\n[text]\nnetwork = 'net'\nasked = 'last.jsonl'\n"
    )
    found = evaluate([folders[0]], tmp_path, BOOTSTRAP, lambda _: None).result
    assert [found["rows"][name]["shelf"]["queries"] for name in ("ampere", "visual", "text")] == [8, 16, 8]
    assert set(found["paired"]["visual"]) == {*DIRECTIONS, "shelf"}
    assert found["paired"]["text"] == {}, "they have no product in common"
    assert set(found["claim"]) == {"visual"}


def test_what_could_not_be_measured_is_said(result: dict[str, Any]) -> None:
    assert result["left_out"]["ampere_32d"] == "not-trained-yet is not there"
    assert "24 are there" in result["left_out"]["gallery_1k"]
    assert "16 are there" in result["left_out"]["shelf of 100"]


def test_the_union_counts_answers_of_the_own_domain(result: dict[str, Any]) -> None:
    for figures in result["union"].values():
        assert figures["queries"] in (48, 24)
        assert set(figures["own_domain_share"]) == {"all", "page", "video", "live"}


def test_other_seeds_stand_beside_the_first(result: dict[str, Any]) -> None:
    first, second = result["seeds"]["ampere"]["shelf"]
    assert first == result["rows"]["ampere"]["shelf"]["r1"]
    assert 0 <= second <= 1


def test_what_was_measured_on_is_told(result: dict[str, Any]) -> None:
    on = result["measured_on"]
    assert (on["products"], on["families"], on["distractors"]) == (16, 4, 8)
    assert on["distractors_of"] == {"distractor": 2, "train": 2, "valid": 4}
    assert on["views"] == {"page": 16, "video": 16, "live": 16}
    assert result["made_of"]["late_fusion_tuned"]["tuned_on"] == "valid"
    assert re.fullmatch("[0-9a-f]{64}", result["made_of"]["ampere"]["networks"]["ampere-2"])


def test_the_progress_ends_at_the_announced_number(
    folders: tuple[Path, Path], evaluation: Evaluation, told: list[str]
) -> None:
    left_out = 2  # are read, and then not asked
    assert len(evaluation.rows) > 0
    assert len(told) == steps_in(folders[1]) - left_out


def test_the_same_input_gives_the_same_bytes(
    folders: tuple[Path, Path], evaluation: Evaluation, tmp_path: Path
) -> None:
    again = evaluate([folders[0]], folders[1], BOOTSTRAP, lambda _: None)
    files = [tmp_path / name for name in ("a.json", "b.json")]
    for each, file in zip((evaluation, again), files, strict=True):
        write_result(each.result, file)
    assert files[0].read_bytes() == files[1].read_bytes()
    pages = [page_of(each) for each in (evaluation, again)]
    assert pages[0] == pages[1]


def test_views_without_speech_are_refused_by_the_rows_that_read_it(folders: tuple[Path, Path], tmp_path: Path) -> None:
    views = write_views(tmp_path / "views", [*make_views(4, spoken=False), *make_views(4, "valid")])
    with pytest.raises(ManifestError, match=r"no transcript; `vitrine prepare`"):
        evaluate([views], folders[1], BOOTSTRAP, lambda _: None)


def test_without_a_validation_split_nothing_can_be_tuned(folders: tuple[Path, Path], tmp_path: Path) -> None:
    views = write_views(tmp_path / "views", make_views(4))
    network = folders[1] / "ampere"
    (tmp_path / "rows.toml").write_text(
        f"[visual]\nnetwork = '{network}'\n[late_fusion_tuned]\npicture_of = 'visual'\ntext_of = 'visual'\n"
    )
    with pytest.raises(ManifestError, match=r"late_fusion_tuned is tuned on the validation split, and no product"):
        evaluate([views], tmp_path, BOOTSTRAP, lambda _: None)


def test_a_folder_without_any_network_is_refused(folders: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "rows.toml").write_text("[ampere]\nnetwork = 'away'\n")
    with pytest.raises(RowsError, match="away is not there"):
        evaluate([folders[0]], tmp_path, BOOTSTRAP, lambda _: None)


def test_the_page_needs_nothing_from_elsewhere(evaluation: Evaluation) -> None:
    shot = Shot("view-1", 'a <b>"mug"</b>', b"\xff\xd8 jpeg")
    shown = [Example(shot, (Answer(shot, 0.5, True), Answer(Shot("view-2", "", None), 0.25, False)))]
    html = page(evaluation.result, shown, "live_to_page")
    sources = re.findall(r"""(?:src|href|url|srcset|action|data)\s*[=(]\s*["']?([^"')\s>]+)""", html)
    assert sources == ["data:image/jpeg;base64,/9gganBlZw=="] * 2
    assert "http" not in html
    assert "<script" not in html
    assert "a &lt;b&gt;&quot;mug&quot;" in html
    for name in evaluation.result["rows"]:
        assert name in html
    assert "2 of distractor, 2 of train, 4 of valid" in html


def test_examples_are_right_and_wrong_ones_drawn_by_the_seed() -> None:
    bench = make_bench(48)
    album = album_of([Row("ampere", noisy(bench, 0.6), {})], bench)
    shown = album.examples(1)
    assert [example.right for example in shown] == [True] * 4 + [False] * 4
    for example in shown:
        scores = [answer.score for answer in example.answers]
        assert scores == sorted(scores, reverse=True)
        assert len(scores) == 5
    assert shown != album.examples(2)


def test_an_example_without_a_picture_says_so(evaluation: Evaluation) -> None:
    """The views name media that nobody made."""
    shown = album_of(evaluation.rows, evaluation.bench).examples(0)
    assert {example.query.jpeg for example in shown} == {None}
    assert "no picture" in page_of(evaluation)


def test_the_retrievals_stand_under_the_direction_that_they_are_of(folders: tuple[Path, Path], tmp_path: Path) -> None:
    """The one row is asked on shelves alone, and shown as it answers a direction."""
    write_network(tmp_path / "net")
    (tmp_path / "rows.toml").write_text("[ampere_shelf_hint]\nnetwork = 'net'\nshelf_hint = true\n")
    found = evaluate([folders[0]], tmp_path, BOOTSTRAP, lambda _: None, Means(repair=lambda text, _: text))
    assert list(found.result["rows"]["ampere_shelf_hint"]) == ["shelf"]
    assert "Retrievals, drawn by the seed: live to page" in page_of(found)


def test_products_whose_clip_says_nothing_are_told_apart_from_the_others(tmp_path: Path) -> None:
    mute = {f"test-{number:04d}-live" for number in (0, 1, 5)}
    views = [view.model_copy(update={"text": ""}) if view.view_id in mute else view for view in make_views(12)]
    assert sum(not view.text for view in views) == len(mute)
    for name in ("ampere", "visual"):
        write_network(tmp_path / "nets" / name, seed=len(name))
    (tmp_path / "nets" / "rows.toml").write_text(
        "[ampere]\nnetwork = 'ampere'\n[visual]\nnetwork = 'visual'\ntext = 'none'\n"
    )
    found = evaluate([write_views(tmp_path / "views", views)], tmp_path / "nets", BOOTSTRAP, lambda _: None).result
    for row, ways in found["by_speech"].items():
        assert set(ways["page_to_video"]) == {"told"}
        for way in ("live_to_page", "page_to_live", "live_to_video"):
            parts, whole = ways[way], found["rows"][row][way]
            assert [parts[name]["queries"] for name in ("told", "silent")] == [9, 3]
            right = sum(part["r1"] * part["queries"] for part in parts.values())
            assert right == pytest.approx(whole["r1"] * whole["queries"], abs=1e-4)
    for part in found["by_speech"]["visual"]["live_to_page"].values():
        low, high = part["ours_minus"]
        assert -1 <= low <= high <= 1
    assert "ours_minus" not in found["by_speech"]["ampere"]["live_to_page"]["told"]
