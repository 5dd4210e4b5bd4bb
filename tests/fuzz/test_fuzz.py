"""Two thousand seeded cases of the fuzz, each bomb once, and the cases that once were read wrongly."""

from collections.abc import Callable, Iterator

import pytest

from encoders.apart import DecoderApart
from encoders.decoding import Limits
from encoders.engines import End, Unbearable, Unreadable
from schemas.reasons import Reason
from tests.fakes.engines import fake_media
from tests.fakes.reader import READER
from tests.fuzz import bombs
from tests.fuzz.__main__ import verdict
from tests.fuzz.run import GOOD_EVERY, Fuzz, case

pytestmark = pytest.mark.fuzz

CASES = 2_000


def test_every_case_is_read_or_refused_by_name_and_good_media_are_read_as_before() -> None:
    fuzz = Fuzz(seed=1)
    try:
        report = fuzz.play(CASES)
    finally:
        fuzz.close()
    assert report.findings == []
    assert [death for death in report.deaths if "MB of memory" not in death] == []
    assert verdict(report) == 0
    assert report.cases == CASES
    assert report.good_again >= CASES // 2 // GOOD_EVERY
    assert min(report.media[word] for word in ("read", "Undecodable", "NoVideo", "NoAudio")) > 0
    assert min(report.envelopes[word] for word in ("read", "unreadable")) > 100


def test_a_case_is_known_by_its_seed_and_number() -> None:
    assert [case(3, number) for number in range(40)] == [case(3, number) for number in range(40)]
    assert [case(3, number) for number in range(40)] != [case(4, number) for number in range(40)]


def test_joined_streams_are_read_by_the_child_too(decoder: DecoderApart) -> None:
    for number in (3592, 7278, 7685):
        assert became(decoder, case(11, number)[1], "clip") == "read"


@pytest.fixture(scope="module")
def decoder() -> Iterator[DecoderApart]:
    decoder = DecoderApart(Limits(processor_s=20, wall_s=120, memory_mb=256))
    yield decoder
    decoder.close()


@pytest.mark.parametrize(
    ("bomb", "what", "comes_to"),
    [
        (bombs.picture_of_900_megapixels, "image", Reason.UNDECODABLE),
        (bombs.picture_below_the_limit, "image", End.MEMORY),
        (bombs.frame_of_8k, "clip", Reason.UNDECODABLE),
        (bombs.a_gigabyte_of_picture, "image", Reason.UNDECODABLE),
        (bombs.a_gigabyte_of_sound, "audio", "read"),
        (bombs.an_index_of_a_gigabyte, "clip", "read"),
        (bombs.samples_of_a_gigabyte, "clip", Reason.NO_VIDEO),
        (bombs.samples_without_end, "clip", Reason.UNDECODABLE),
        (bombs.tracks_beyond_number, "clip", End.MEMORY),
        (bombs.programmes_beyond_number, "clip", Reason.NO_VIDEO),
        (bombs.endless_sound, "audio", Reason.UNDECODABLE),
        (bombs.a_hundred_megabytes, "clip", "read"),
    ],
)
def test_a_bomb_costs_its_own_answer_and_no_other(
    decoder: DecoderApart, bomb: Callable[[], bytes], what: str, comes_to: Reason | End | str
) -> None:
    before = decoder.audio(bombs.small())
    assert became(decoder, bomb(), what) == comes_to
    assert decoder.audio(bombs.small()) == before


def became(decoder: DecoderApart, media: bytes, what: str) -> Reason | End | str:
    try:
        getattr(decoder, what)(media)
    except Unbearable as unbearable:
        return unbearable.how
    except Unreadable as unreadable:
        return unreadable.reason
    return "read"


def test_a_limit_of_processor_time_is_named_as_one() -> None:
    decoder = DecoderApart(Limits(processor_s=1, wall_s=120), reader=READER)
    with pytest.raises(Unbearable, match="more than 1 s of processor time") as caught:
        decoder.audio(fake_media("", trouble="spin"))
    assert caught.value.how is End.TIME
    decoder.close()
