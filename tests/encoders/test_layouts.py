"""The published layouts of ROPE and LPR4M, small: what is read of them, and how what does not fit is told."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from encoders.engines import Domain
from encoders.layouts.lpr4m import read_lpr4m
from encoders.layouts.rope import read_rope
from encoders.layouts.rows import LayoutError
from encoders.manifest import View, read_manifest
from streams.cli import run

pytestmark = pytest.mark.hermetic

ROPE = {
    "training_product_pages_pair.txt": "99721, 7\n99721, 8\n26140, 9\n99721, 7\n",
    "training_product_videos_pair.txt": "26140, 3179594\n",
    "training_product_lives_pair.txt": "99721, 24\n26140, 25\n",
    "training_page_titles.txt": "7, 简约西装外套, 黑色\n8, 空\n",
    "training_video_asrs.txt": "3179594, 不买亏大了,碧根果才1元,限时限量速抢\n",
    "training_live_asrs.txt": "24,  内里是加绒加棉加厚咱这个衣服\n25, 空\n",
    "training_page_images.txt": "7, eae32f52.jpg\n8, b.jpg \n9, c.jpg\n",
    "training_video_frames.txt": "3179594, 240, late.jpg\n3179594, 30, early.jpg\n3179594, 120, mid.jpg\n",
    "training_live_clips.txt": "24, 1668122889829, l2.jpg\n24, 1668122885829, l1.jpg\n",
}
LIVE_1, LIVE_2 = "7b601b02-2c63-11ee-bb6d-b8cef60c2fd0", "11111111-2c63-11ee-bb6d-b8cef60c2fd0"
IMAGES = [f"fff8b48{n}-2eeb-11ee-b7bb-77cb20e634dc" for n in range(4)]
CLIPS = [f"{LIVE_1}-1667916122888-1667916252390", f"{LIVE_1}-1667916300000-1667916400000", f"{LIVE_2}-1-2"]


def rope(folder: Path, **changed: str | None) -> Path:
    for name, text in ROPE.items():
        told = changed.get(name.removesuffix(".txt"), text)
        if told is not None:
            (folder / name).write_text(told, encoding="utf-8")
    return folder


def by_id(views: Iterator[View]) -> dict[str, View]:
    return {view.view_id: view for view in views}


def test_rope_gives_the_views_of_each_product_with_their_texts(tmp_path: Path) -> None:
    views = by_id(read_rope(rope(tmp_path)))
    assert list(views) == [
        "99721/page/7", "99721/page/8", "26140/page/9", "26140/video/3179594", "99721/live/24", "26140/live/25",
    ]  # fmt: skip
    page = views["99721/page/7"]
    assert (page.product_id, page.domain, page.split) == ("99721", Domain.PAGE, "train")
    assert (page.media, page.text) == (str(tmp_path / "images" / "eae32f52.jpg"), "简约西装外套, 黑色")
    assert views["99721/page/8"].text == views["26140/page/9"].text == "", "空 and a missing row both are no title"
    video = views["26140/video/3179594"]
    assert [Path(name).name for name in video.frames] == ["early.jpg", "mid.jpg", "late.jpg"]
    assert (video.spoken, video.text) == ("不买亏大了,碧根果才1元,限时限量速抢", None)
    assert [Path(name).name for name in views["99721/live/24"].frames] == ["l1.jpg", "l2.jpg"]
    assert (views["26140/live/25"].spoken, views["26140/live/25"].seen) == ("", False)


def test_the_test_set_of_rope_is_read_where_it_is_there(tmp_path: Path) -> None:
    for name, text in ROPE.items():
        (tmp_path / name.replace("training", "test")).write_text(text, encoding="utf-8")
    assert {view.split for view in read_rope(tmp_path, tmp_path / "elsewhere")} == {"test"}


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"training_page_titles": None}, "training_page_titles.txt is missing"),
        ({"training_product_pages_pair": "99721, 7\n99721\n"}, "pages_pair.txt:2: 1 fields, expected 2 with ','"),
        ({"training_video_frames": "3179594, early, a.jpg\n"}, "row 1: frame number is 'early', expected a whole"),
        ({"training_product_pages_pair": None}, "is it the folder of ROPE's text files?"),
    ],
)
def test_what_does_not_fit_the_layout_of_rope_is_told(
    changed: dict[str, str | None], told: str, tmp_path: Path
) -> None:
    with pytest.raises(LayoutError, match=told.replace("?", r"\?")):
        list(read_rope(rope(tmp_path, **changed)))


def info(clip: str, image: str, frames: str, asr: str = "看看这个衣服", spu: str = "4711") -> str:
    fields = (clip, frames, "[]", image, f"training_image/{image}.jpg", "加绒外套", "34", "女装", spu, asr)
    return "\t".join(fields) + "\n"


def lpr4m(folder: Path) -> Path:
    notes = folder / "annotations"
    notes.mkdir()
    train = [
        info("a-1", "img-1", "['training_video_00/a-1/0001.jpg', 'training_video_00/a-1/0002.jpg']"),
        info("a-2", "img-1", '["training_video_00/a-2/0001.jpg"]', "null", ""),
        info("a-3", "img-2", "[]", "这个 100 200\x01衣服 200 300\x01", "4712"),
    ]
    (notes / "training_videoinfo_750k.txt").write_text("".join(train), encoding="utf-8")
    (notes / "training_videoinfo_val.txt").write_text(info("v-1", "img-9", "[]", "加|绒"), encoding="utf-8")
    queries = {clip: {"frames": [f"{clip}/0001.jpg"], "gt": "not read"} for clip in CLIPS}
    (notes / "query_tenframes.json").write_text(json.dumps(queries))
    right = {CLIPS[0]: IMAGES[:2], CLIPS[1]: [IMAGES[1], IMAGES[2]], CLIPS[2]: [IMAGES[0]]}
    (notes / "test_videoid_to_gtimage_20079.json").write_text(json.dumps(right))
    gallery = [*(f"{LIVE_1}/{image}-0.jpg" for image in IMAGES), f"{LIVE_2}/{IMAGES[0]}.jpg"]
    (notes / "gallery_main.txt").write_text("".join(f"{name}\n" for name in gallery))
    return folder


def test_lpr4m_gives_an_image_once_and_each_of_its_clips(tmp_path: Path) -> None:
    views = by_id(read_lpr4m(lpr4m(tmp_path)))
    train = {name: view for name, view in views.items() if view.split == "train"}
    assert list(train) == ["page/img-1", "live/a-1", "live/a-2", "page/img-2", "live/a-3"]
    page, clip = train["page/img-1"], train["live/a-1"]
    assert (page.media, page.text, page.product_id) == (str(tmp_path / "training_image/img-1.jpg"), "加绒外套", "img-1")
    assert clip.frames[1] == str(tmp_path / "training_video_00/a-1/0002.jpg")
    assert (clip.product_id, clip.family, clip.spoken) == ("img-1", "4711", "看看这个衣服")
    assert (train["live/a-2"].spoken, train["live/a-2"].family) == ("", None)
    assert train["live/a-3"].spoken == "这个衣服"
    assert views["live/v-1"].split == "valid"
    assert views["live/v-1"].spoken == "加绒"


def test_images_that_are_right_for_one_clip_are_one_product_on_the_shelf_of_their_room(tmp_path: Path) -> None:
    views = [view for view in read_lpr4m(lpr4m(tmp_path)) if view.split == "test"]
    pages = {view.view_id: view for view in views if view.domain is Domain.PAGE}
    lives = {view.view_id: view for view in views if view.domain is Domain.LIVE}
    assert {view.family for view in views} == {LIVE_1, LIVE_2}
    first = pages[f"page/{LIVE_1}/{IMAGES[0]}"].product_id
    assert [pages[f"page/{LIVE_1}/{image}"].product_id == first for image in IMAGES] == [True, True, True, False]
    assert lives[f"live/{CLIPS[0]}"].product_id == lives[f"live/{CLIPS[1]}"].product_id == first
    assert lives[f"live/{CLIPS[2]}"].product_id == pages[f"page/{LIVE_2}/{IMAGES[0]}"].product_id != first
    assert lives[f"live/{CLIPS[0]}"].frames == (str(tmp_path / "query" / CLIPS[0] / "0001.jpg"),)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("training_videoinfo_750k.txt", "a-1\t[]\n", "750k.txt:1: 2 fields, expected 10"),
        ("training_videoinfo_750k.txt", info("a-1", "i", "__import__('os')"), "expected a list"),
        ("training_videoinfo_750k.txt", info("a-1", "i", "[1]"), "expected a list of texts"),
        ("query_tenframes.json", "{", "not JSON"),
        ("query_tenframes.json", "[]", "expected an object"),
        ("test_videoid_to_gtimage_20079.json", "{}", "no image is named as right for the test clip"),
    ],
)
def test_what_does_not_fit_the_layout_of_lpr4m_is_told(name: str, text: str, told: str, tmp_path: Path) -> None:
    (lpr4m(tmp_path) / "annotations" / name).write_text(text)
    with pytest.raises(LayoutError, match=told):
        list(read_lpr4m(tmp_path))


@pytest.mark.parametrize(
    ("name", "told"),
    [("training_videoinfo_750k.txt", r"750k\.txt:1: .*, expected text in UTF-8"), ("query_tenframes.json", "not JSON")],
)
def test_another_encoding_is_told_with_the_file(name: str, told: str, tmp_path: Path) -> None:
    (lpr4m(tmp_path) / "annotations" / name).write_text(info("a-1", "i", "[]"), encoding="gb18030")
    with pytest.raises(LayoutError, match=told):
        list(read_lpr4m(tmp_path))


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_the_command_writes_paths_that_the_manifest_finds(ending: str, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "disk" / "a" / "deep").mkdir(parents=True)
    (tmp_path / "deep").symlink_to(tmp_path / "disk" / "a" / "deep")
    folder, out = lpr4m(tmp_path / "set"), tmp_path / "deep" / f"views.{ending}"
    (folder / "training_image").mkdir()
    (folder / "training_image" / "img-1.jpg").write_bytes(b"jpeg")
    assert run(["manifest", str(folder), "--layout", "lpr4m", "--out", str(out)]) == 0
    page = next(view for view in read_manifest(out) if view.view_id == "page/img-1")
    assert (out.parent / str(page.media)).read_bytes() == b"jpeg"


def test_the_command_tells_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["manifest", str(tmp_path), "--out", str(tmp_path / "views.jsonl")]
    assert run([*words, "--layout", "rope"]) == 1
    assert "holds no training_product_pages_pair.txt" in capsys.readouterr().err
    assert run([*words, "--layout", "lpr4m", "--images", str(tmp_path)]) == 2
    assert "only the layout rope" in capsys.readouterr().err
    lpr4m(tmp_path)
    (tmp_path / "file").touch()
    words = ["manifest", str(tmp_path), "--layout", "lpr4m", "--out", str(tmp_path / "file" / "views.jsonl")]
    assert run(words) == 1
    assert "no manifest could be made: [Errno" in capsys.readouterr().err
