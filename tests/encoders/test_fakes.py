"""The stand-ins keep the engines' promises, and carry words and looks the way the tests of the flow rely on."""

import numpy as np
import pytest

from encoders.engines import Domain, FusionInput, Unreadable
from schemas.reasons import Reason
from tests.encoders import contracts
from tests.fakes.engines import fake_broadcast, fake_engines, fake_media, fake_picture, spoken

pytestmark = pytest.mark.hermetic

ENGINES = fake_engines()
TALK = "so hello here is feike shaver with wet use and dry use now bye"


def test_the_fake_decoder_keeps_the_contract() -> None:
    samples = contracts.MediaSamples(
        good=fake_media(TALK, "shaver"),
        duration_ms=4000,
        audio_only=fake_media(TALK, None),
        video_only=fake_media(None, "shaver"),
        picture=fake_picture("shaver"),
    )
    contracts.media_contract(ENGINES.media, samples)


def test_the_fake_speech_model_keeps_the_contract() -> None:
    contracts.speech_contract(ENGINES.speech, ENGINES.media.audio(fake_media(TALK)), border_ms=2100)


def test_the_fake_language_model_keeps_the_contract() -> None:
    contracts.language_contract(ENGINES.language, [TALK, "good morning", "", "here is kettle now"])


def test_the_fake_vision_tower_keeps_the_contract() -> None:
    clips = [ENGINES.media.clip(fake_media("", look)).frames for look in ("a", "b")]
    contracts.vision_contract(ENGINES.vision, [*clips, ENGINES.media.image(fake_picture("a"))])


def test_the_fake_fusion_network_keeps_the_contract() -> None:
    contracts.fusion_contract(ENGINES.fusion, ENGINES.vision, ENGINES.media.clip(fake_media("", "a")).frames)


def test_a_word_cut_by_a_border_is_heard_as_two_fragments_unless_the_tail_is_kept() -> None:
    first, second = fake_broadcast([("shaver", 3900, 4200)], ["a", "a"])
    heard = [ENGINES.speech.hear(ENGINES.media.audio(part), None, True).words[0].text for part in (first, second)]
    assert "shaver" not in heard
    whole = ENGINES.media.audio(first) + ENGINES.media.audio(second)
    assert ENGINES.speech.hear(whole, None, True).words[0].text == "shaver"


def test_an_uncommitted_tail_is_capped() -> None:
    endless = ENGINES.media.audio(fake_media([("aaaah", 0, 9000)], duration_ms=8000))
    assert ENGINES.speech.hear(endless, None, False).committed_ms == 8000


def test_a_summary_holds_the_name_and_the_features_that_were_said() -> None:
    assert ENGINES.language.complete(TALK) == "Product name: feike shaver\nFeatures: wet use, dry use"
    assert ENGINES.language.complete("hello hello") == "empty"


def test_truncated_fake_media_is_undecodable() -> None:
    with pytest.raises(Unreadable) as caught:
        ENGINES.media.audio(fake_media(TALK)[:-5])
    assert caught.value.reason == Reason.UNDECODABLE


def test_a_page_is_closer_to_its_own_clip_than_to_any_other() -> None:
    looks = [f"product {i}" for i in range(50)]
    pages = [ENGINES.vision.encode([ENGINES.media.image(fake_picture(look))])[0] for look in looks]
    clips = [ENGINES.vision.encode([ENGINES.media.clip(fake_media("", look)).frames])[0] for look in looks]
    views = [FusionInput(Domain.PAGE, page, look) for page, look in zip(pages, looks, strict=True)]
    shelf = np.stack(ENGINES.fusion.embed(views))
    live = np.stack(ENGINES.fusion.embed([FusionInput(Domain.LIVE, clip, None) for clip in clips]))
    scores = live @ shelf.T
    assert (scores.argmax(axis=1) == np.arange(len(looks))).all()
    assert scores.diagonal().min() > np.sort(scores, axis=1)[:, -2].max()


def test_equal_arguments_give_equal_bytes() -> None:
    assert fake_media(spoken(TALK), "a") == fake_media(TALK, "a")
