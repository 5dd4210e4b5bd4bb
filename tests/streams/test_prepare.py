"""Preparation: each view gets what it lacks as the flow would make it, nothing is asked twice, nothing is lost."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest

from encoders.engines import Domain, Floats, Frames, Heard
from encoders.loaded import Identities, LoadedEngines
from encoders.manifest import View, read_manifest, write_manifest
from encoders.prepared import HEADER, PreparedError, read_prepared
from infra.errors import InfraError
from infra.kept import Kept, key_of
from schemas.reasons import Reason
from streams.cli import run
from streams.prepare import PROBLEMS, Choice, NothingPrepared, each, gather
from streams.preparing import LeftOut, Preparer, Ready
from tests.encoders.breaking import full_disk
from tests.fakes.engines import FakeLanguage, FakeSpeech, FakeVision, fake_engines, fake_media, fake_picture

pytestmark = pytest.mark.hermetic

MODELS = Identities("speech 1", "language 1", "vision 1")
SHAVER = "hello here is feike shaver with wet use and dry use now"
KETTLE = "here is nordholm kettle now"


@dataclass
class Counted:
    """Fake engines that count what they are asked."""

    asked: Counter[str] = field(default_factory=Counter)

    @cached_property
    def engines(self) -> LoadedEngines:
        asked = self.asked

        class Speech(FakeSpeech):
            def hear(self, pcm: bytes, language: str | None, final: bool, hotwords: str = "") -> Heard:
                asked["speech"] += 1
                return super().hear(pcm, language, final, hotwords)

        class Language(FakeLanguage):
            def complete(self, transcript: str) -> str:
                asked["language"] += 1
                return super().complete(transcript)

        class Vision(FakeVision):
            def encode(self, clips: Sequence[Frames]) -> list[Floats]:
                asked["vision"] += len(clips)
                return super().encode(clips)

        asked["loaded"] += 1
        return replace(fake_engines(), speech=Speech(), language=Language(), vision=Vision())

    def load(self) -> LoadedEngines:
        return self.engines


@pytest.fixture
def media(tmp_path: Path) -> Path:
    """A folder with the media of three products."""
    folder = tmp_path / "media"
    folder.mkdir()
    (folder / "shaver.jpg").write_bytes(fake_picture("shaver"))
    (folder / "shaver.mp4").write_bytes(fake_media(SHAVER, "shaver"))
    (folder / "kettle.mp4").write_bytes(fake_media(KETTLE, "kettle"))
    (folder / "silent.mp4").write_bytes(fake_media(None, "kettle"))
    (folder / "broken.mp4").write_bytes(b"no media at all")
    return folder


def view(name: str, domain: Domain, media: str | None = None, text: str | None = None, **more: object) -> View:
    told = {
        "view_id": name,
        "product_id": name.split("/", maxsplit=1)[0],
        "domain": domain,
        "media": media,
        "text": text,
    }
    return View.model_validate(told | more)


VIEWS = (
    view("p-1/page", Domain.PAGE, "shaver.jpg", "Feike shaver"),
    view("p-1/video", Domain.VIDEO, "shaver.mp4"),
    view("p-1/live", Domain.LIVE, "shaver.mp4"),
    view("p-2/live", Domain.LIVE, "kettle.mp4"),
    view("p-2/silent", Domain.LIVE, "silent.mp4"),
)


def preparer(counted: Counted, media: Path, models: Identities = MODELS) -> Preparer:
    return Preparer(counted.load, models, Kept(media.parent / "cache"), media)


def prepared(media: Path, *views: View) -> list[Ready | LeftOut]:
    return list(each(views, preparer(Counted(), media), 1))


def test_a_view_gets_what_it_lacks_and_keeps_what_it_has(media: Path) -> None:
    page, video, live, kettle, silent = (outcome.view for outcome in prepared(media, *VIEWS))
    assert (page.text, page.spoken) == ("Feike shaver", None)
    assert (video.text, video.spoken) == ("feike shaver; wet use, dry use", SHAVER)
    assert live.text == video.text
    assert kettle.text == "nordholm kettle"
    assert (silent.text, silent.spoken) == ("", "")


def test_a_transcript_that_is_there_is_summarised_and_not_heard_again(media: Path) -> None:
    counted = Counted()
    known = view("p-1/live", Domain.LIVE, "shaver.mp4", spoken=KETTLE)
    (outcome,) = each([known], preparer(counted, media), 1)
    assert (outcome.view.spoken, outcome.view.text) == (KETTLE, "nordholm kettle")
    assert counted.asked["speech"] == 0


@pytest.mark.parametrize("language", [None, "zh"])
def test_of_a_chinese_transcript_that_is_there_as_much_is_read_as_of_one_that_is_heard(
    media: Path, language: str | None
) -> None:
    said = "来看这款北欧风的电热水壶双层不锈钢的" * 20 + "下一个我们来看这款剃须刀飞科的干湿两用"
    asked: list[str] = []

    class Language(FakeLanguage):
        def complete(self, transcript: str) -> str:
            asked.append(transcript)
            return super().complete(transcript)

    used = replace(preparer(Counted(), media), load=lambda: replace(fake_engines(), language=Language()))
    views = [view(f"p-1/{domain}", domain, spoken=said) for domain in (Domain.LIVE, Domain.VIDEO)]
    outcomes = list(each(views, replace(used, language=language), 1))
    assert asked == ["我们来看这款剃须刀飞科的干湿两用", said[:160]]
    assert [outcome.view.spoken for outcome in outcomes] == [said, said]


def test_a_live_clip_is_read_from_where_the_host_turned_to_another_product(media: Path) -> None:
    both = f"{SHAVER} and next up here is nordholm kettle with steel handle"
    (media / "both.mp4").write_bytes(fake_media(both, "kettle", 8_000))
    live, video = prepared(
        media, view("p-2/live", Domain.LIVE, "both.mp4"), view("p-2/video", Domain.VIDEO, "both.mp4")
    )
    assert live.view.spoken == video.view.spoken == both
    assert live.view.text == "nordholm kettle; steel handle"


def test_only_the_last_half_minute_of_a_live_clip_is_read(media: Path) -> None:
    (media / "long.mp4").write_bytes(fake_media(SHAVER, "shaver", 45_000))
    (outcome,) = prepared(media, view("p-1/live", Domain.LIVE, "long.mp4"))
    assert (outcome.view.spoken, outcome.view.text) == (SHAVER, "")


def test_what_cannot_be_read_is_left_out_with_its_reason(media: Path) -> None:
    outcomes = prepared(
        media,
        view("a", Domain.LIVE, "broken.mp4"),
        view("b", Domain.LIVE, "nowhere.mp4"),
        view("c", Domain.PAGE),
        view("d", Domain.PAGE, "shaver.jpg"),
        view("e", Domain.LIVE, text="feike shaver"),
        view("f", Domain.LIVE, "no\0where.mp4"),
    )
    reasons = [outcome.reason if isinstance(outcome, LeftOut) else None for outcome in outcomes]
    assert reasons == [Reason.UNDECODABLE, Reason.MISSING, Reason.EMPTY, None, None, Reason.MISSING]
    assert outcomes[3].view.text == "", "a page without a title goes by its picture"
    assert isinstance(outcomes[4], Ready)
    assert outcomes[4].tokens is None


def test_no_view_is_left_out_because_an_answer_cannot_be_kept(media: Path) -> None:
    cache = media.parent / "cache"
    cache.mkdir()
    (cache / "tokens").write_bytes(b"no folder")
    with pytest.raises(NotADirectoryError):
        prepared(media, *VIEWS)
    (cache / "tokens").unlink()
    assert all(isinstance(outcome, Ready) for outcome in prepared(media, *VIEWS))


def test_a_folder_that_cannot_be_written_is_told_with_the_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_manifest([view("a", Domain.PAGE, text="Feike shaver")], tmp_path / "views.jsonl")
    (tmp_path / "out" / "manifest.jsonl").mkdir(parents=True)
    words = ["prepare", "--manifest", str(tmp_path / "views.jsonl"), "--out", str(tmp_path / "out"), "--jobs", "1"]
    assert run(words) == 1
    said = capsys.readouterr().err
    assert "the preparation cannot go on: [Errno 21]" in said
    assert "remedy: put that right; the same command goes on where it was" in said
    (tmp_path / "out" / "manifest.jsonl").rmdir()
    assert run(words) == 0


def test_nothing_is_asked_twice(media: Path) -> None:
    first, again = Counted(), Counted()
    before = list(each(VIEWS, preparer(first, media), 1))
    assert first.asked == {"loaded": 1, "speech": 2, "language": 2, "vision": 4}, "equal media are asked about once"
    assert list(each(VIEWS, preparer(again, media), 1)) == before
    assert again.asked == {}, "with all kept, not even the models are loaded"


@pytest.mark.parametrize(
    ("changed", "asked"),
    [
        (replace(MODELS, speech="speech 2"), {"loaded": 1, "speech": 2}),
        (replace(MODELS, language="language 2"), {"loaded": 1, "language": 2}),
        (replace(MODELS, vision="vision 2"), {"loaded": 1, "vision": 4}),
    ],
)
def test_a_changed_model_makes_its_own_part_again(media: Path, changed: Identities, asked: dict[str, int]) -> None:
    list(each(VIEWS, preparer(Counted(), media), 1))
    counted = Counted()
    list(each(VIEWS, preparer(counted, media, changed), 1))
    assert counted.asked == asked


def test_changed_media_are_seen_by_their_content(media: Path) -> None:
    list(each(VIEWS, preparer(Counted(), media), 1))
    (media / "kettle.mp4").write_bytes(fake_media("here is lumea scarf now", "scarf"))
    counted = Counted()
    outcomes = list(each(VIEWS, preparer(counted, media), 1))
    assert counted.asked == {"loaded": 1, "speech": 1, "language": 1, "vision": 1}
    assert outcomes[3].view.text == "lumea scarf"


def test_a_run_that_stops_at_a_view_has_kept_all_before_it(media: Path) -> None:
    counted = Counted()
    coming = each(VIEWS, preparer(counted, media), 1)
    for _ in range(3):
        next(coming)
    coming.close()
    rest = Counted()
    list(each(VIEWS, preparer(rest, media), 1))
    assert counted.asked + rest.asked == Counter(loaded=2, speech=2, language=2, vision=4)


def test_the_folder_reads_back_with_media_that_can_be_found(media: Path, tmp_path: Path) -> None:
    out, used = tmp_path / "deep" / "out", preparer(Counted(), media)
    outcomes = list(each([*VIEWS, view("p-3/live", Domain.LIVE, "nowhere.mp4")], used, 1))
    written = gather(outcomes, used, out)
    found = read_prepared(out)
    assert found.views == written.views
    assert found.tower == "fake-tower"
    assert found.tokens.dtype == np.float16 and found.tokens.shape == (5, 9, 48)
    assert np.array_equal(found.tokens[1], found.tokens[2]), "the same clip"
    assert all((out / str(each_view.media)).is_file() for each_view in found.views)
    (problem,) = (json.loads(line) for line in (out / PROBLEMS).read_text().splitlines())
    assert (problem["view_id"], problem["reason"], problem["left_out"]) == ("p-3/live", "Missing", True)


def test_media_are_found_from_and_through_folders_that_are_links(media: Path, tmp_path: Path) -> None:
    for name in ("disk/1/out", "disk/2/linked"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "out").symlink_to(tmp_path / "disk" / "1" / "out")
    (tmp_path / "linked").symlink_to(tmp_path / "disk" / "2" / "linked")
    (tmp_path / "disk" / "2" / "shaver.jpg").write_bytes((media / "shaver.jpg").read_bytes())
    used = preparer(Counted(), tmp_path / "linked")
    gather(list(each([view("p-1/page", Domain.PAGE, "../shaver.jpg")], used, 1)), used, tmp_path / "out")
    (found,) = read_prepared(tmp_path / "out").views
    assert (tmp_path / "out" / str(found.media)).is_file()


def test_frames_are_seen_like_the_video_they_are_from(media: Path) -> None:
    names = []
    for number in range(20):
        (media / f"{number}.jpg").write_bytes(fake_picture(f"look {number // 2}"))
        names.append(f"{number}.jpg")
    shown = view("p-1/live", Domain.LIVE, spoken="", frames=names)
    used = preparer(Counted(), media)
    (outcome,) = each([shown], used, 1)
    assert isinstance(outcome, Ready) and outcome.tokens
    at_centres = [fake_picture(f"look {at // 2}") for at in (1, 3, 6, 8, 11, 13, 16, 18)]
    frames = np.concatenate([fake_engines().media.image(picture) for picture in at_centres])
    (expected,) = FakeVision().encode([frames])
    assert np.allclose(used.tokens(outcome.tokens).rows, expected, atol=1e-3)


def test_where_no_view_can_be_used_nothing_is_written(media: Path, tmp_path: Path) -> None:
    used, out = preparer(Counted(), media), tmp_path / "out"
    with pytest.raises(NothingPrepared, match="not one view"):
        gather(list(each([view("a", Domain.PAGE)], used, 1)), used, out)
    with pytest.raises(PreparedError, match=f"no {HEADER}; run `vitrine prepare`"):
        read_prepared(out)


def test_a_share_takes_whole_families_and_the_parts_are_the_whole() -> None:
    views = [view(f"p-{n // 3}/{n}", Domain.LIVE, text="x", family=f"f-{n // 12}") for n in range(240)]
    drawn = Choice(share=0.25, seed=3).of(views)
    assert len(drawn) == 60
    assert len({each_view.family for each_view in drawn}) == 5
    assert drawn == Choice(share=0.25, seed=3).of(views) != Choice(share=0.25, seed=4).of(views)
    parts = [Choice(part=part, parts=7).of(views) for part in range(7)]
    assert sorted((v for part in parts for v in part), key=views.index) == views


def test_keys_keep_their_parts_apart_and_a_half_written_answer_is_none(tmp_path: Path) -> None:
    assert len({key_of("ab", "c"), key_of("a", "bc"), key_of("abc"), key_of("c", "ab")}) == 4
    kept = Kept(tmp_path)
    assert kept.get("tokens", "k1") is None
    kept.put("tokens", "k1", b"first")
    kept.put("tokens", "k1", b"second")
    (tmp_path / "tokens" / "k1" / "k1x.123.part").write_bytes(b"cut")
    assert (kept.get("tokens", "k1"), kept.get("tokens", "k1x")) == (b"second", None)


def test_an_answer_that_cannot_be_kept_leaves_no_part_of_itself_on_the_full_disk(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    kept.put("tokens", "k1", b"first")
    with full_disk(), pytest.raises(OSError, match="File too large"):
        kept.put("tokens", "k1", 10 * b"second")
    assert [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()] == [b"first"]


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (["--parts", "2/2"], 2, "'2/2' is not I/N with I from 0 to N - 1"),
        (["--parts", "²/3"], 2, "'²/3' is not I/N with I from 0 to N - 1"),
        (["--share", "0"], 2, "0<x<=1"),
        (["--share", "nan"], 2, "'nan' is not a finite number"),
        (["--jobs", "0"], 2, "x>=1"),
        (["--profile", "klingon"], 1, "no model profile 'klingon'"),
        ([], 1, ":2: domain: Input should be 'page', 'video' or 'live'"),
    ],
)
def test_wrong_words_and_manifests_are_told(
    words: list[str], status: int, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = tmp_path / "views.jsonl"
    write_manifest([VIEWS[0]], manifest)
    manifest.write_text(manifest.read_text() + '{"view_id": "a", "product_id": "b", "domain": "shop"}\n')
    assert run(["prepare", "--manifest", str(manifest), "--out", str(tmp_path / "out"), *words]) == status
    assert told in capsys.readouterr().err


def test_a_manifest_is_never_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = tmp_path / "manifest.jsonl"
    write_manifest([view("a", Domain.PAGE, text="Feike shaver"), view("b", Domain.LIVE, "gone.mp4")], manifest)
    before = manifest.read_bytes()
    assert run(["prepare", "--manifest", str(manifest), "--out", str(tmp_path), "--jobs", "1"]) == 1
    assert f"--out would write over {manifest}" in capsys.readouterr().err
    assert manifest.read_bytes() == before


def test_a_manifest_is_the_same_in_both_forms(tmp_path: Path) -> None:
    views = (*VIEWS, view("p-3/live", Domain.LIVE, frames=["1.jpg", "2.jpg"], family="f", differs_in="both"))
    for name in ("views.jsonl", "views.parquet"):
        write_manifest(views, tmp_path / name)
        assert read_manifest(tmp_path / name) == views, name
    assert issubclass(NothingPrepared, InfraError)
