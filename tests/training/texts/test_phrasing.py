"""Texts are said in many ways, none of which is held out."""

import numpy as np
import pytest
from kaiwa_training.texts.phrasing import CLOSERS, OPENERS, Phrasing
from kaiwa_training.texts.texts import Texts, load_texts, words_of


@pytest.fixture(scope="module")
def texts() -> Texts:
    return load_texts()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(1)


def test_a_text_keeps_its_words_in_order(texts: Texts, rng: np.random.Generator) -> None:
    phrasing = Phrasing(texts)
    for text in texts.other:
        assert " ".join(words_of(text)) in " ".join(words_of(phrasing.varied(text, rng)))


def test_some_texts_get_a_word_before_and_some_one_after(
    texts: Texts, rng: np.random.Generator
) -> None:
    said = [Phrasing(texts).varied("Tell me a joke.", rng) for _ in range(400)]
    plain = sum(text == "Tell me a joke." for text in said)
    opened = sum(not text.startswith("Tell") for text in said)
    closed = sum(not text.endswith("joke.") for text in said)
    assert 200 < plain < 300
    assert 80 < opened < 160
    assert 20 < closed < 80


def test_a_varied_text_reads_well(texts: Texts, rng: np.random.Generator) -> None:
    said = {Phrasing(texts).varied("What is that?", rng) for _ in range(2000)}
    assert "So, what is that?" in said
    assert "What is that, please?" in said
    assert any(text.endswith(", what is that, Moshi?") for text in said)


def test_nothing_is_said_twice(texts: Texts, rng: np.random.Generator) -> None:
    phrasing = Phrasing(texts)
    said = [phrasing.varied("Please, Moshi, tell me now.", rng) for _ in range(400)]
    assert all(words_of(text).count("please") == 1 for text in said)
    assert all(words_of(text).count("moshi") == 1 for text in said)


def test_what_is_held_out_is_never_made(texts: Texts, rng: np.random.Generator) -> None:
    phrasing = Phrasing(texts)
    held_out = [text for intent in texts.intents for text in intent.held_out]
    bags = {tuple(sorted(words_of(text))) for text in held_out}
    reached = 0
    for text in held_out:
        for opener in (opener for opener in OPENERS if text.startswith(f"{opener} ")):
            shorter = text.removeprefix(f"{opener} ").capitalize()
            made = {tuple(sorted(words_of(phrasing.varied(shorter, rng)))) for _ in range(2000)}
            assert not made & bags
            reached += 1
    for text in held_out:
        for closer in (closer for closer in CLOSERS if text[:-1].endswith(closer)):
            shorter = text[:-1].removesuffix(closer) + text[-1]
            made = {tuple(sorted(words_of(phrasing.varied(shorter, rng)))) for _ in range(2000)}
            assert not made & bags
            reached += 1
    assert reached
