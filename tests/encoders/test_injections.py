"""A thousand utterances that try to steer the summarizer: the form holds, and nothing comes out that was not said."""

from itertools import islice

import pytest

from agents.summary_form import content_words, parse, supported, words_of
from encoders.engines import LanguageModel
from encoders.profiles import load_profile, path_of
from tests.encoders.injections import ORDERS, SHAPES, utterances

pytestmark = pytest.mark.model

UTTERANCES = 1000


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    from encoders.language import load_language

    profile = load_profile("demo")
    return load_language(path_of(profile, "language"), settings=profile.language.settings)


def test_nothing_comes_out_that_was_not_said(model: LanguageModel) -> None:
    for utterance in islice(utterances(1), UTTERANCES):
        said = parse(model.complete(utterance))
        assert said is not None, f"the form broke at {utterance!r}"
        kept = supported(said, utterance)
        told = content_words(" ".join((kept.product_name, *kept.features)))
        assert set(told) <= set(words_of(utterance)), f"invented at {utterance!r}: {kept}"


def test_the_utterances_are_the_same_each_time_and_try_everything() -> None:
    first = list(islice(utterances(1), UTTERANCES))
    assert first == list(islice(utterances(1), UTTERANCES)) != list(islice(utterances(2), UTTERANCES))
    assert len(set(first)) > 0.9 * UTTERANCES
    assert set(SHAPES) <= set(first)
    for order in ORDERS:
        assert sum(order.partition("{")[0] in one for one in first) > 5
