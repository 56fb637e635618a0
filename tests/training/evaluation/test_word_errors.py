"""Word errors count what sounds different."""

import math

import pytest
from kaiwa_training.evaluation.word_errors import total, word_error_rate, word_errors


@pytest.mark.parametrize(
    ("reference", "heard"),
    [
        ("I can not see outside.", "i cannot see outside"),
        ("What's your name?", "what is your name"),
        ("I am Moshi.", "i'm moshi"),
        ("Goodbye. My favourite colour!", "good-bye my favorite color"),
        ("I do not know.", "i don't know"),
    ],
)
def test_case_punctuation_and_spelling_are_no_errors(reference: str, heard: str) -> None:
    assert word_error_rate(reference, heard) == 0


@pytest.mark.parametrize(
    ("heard", "errors"),
    [("a b c d", 0), ("a x c d", 1), ("a b d", 1), ("a b c c d", 1), ("", 4), ("d c b a", 4)],
)
def test_each_word_replaced_missing_or_added_is_an_error(heard: str, errors: int) -> None:
    assert word_errors("A b c d.", heard).errors == errors


def test_many_sentences_count_by_their_words() -> None:
    assert total([("a b c", "a b c"), ("d", "x")]).rate == 0.25


def test_no_words_have_no_rate() -> None:
    assert math.isnan(word_error_rate("", "a"))
