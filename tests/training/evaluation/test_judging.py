"""An answer is right if it is the expected one and nothing else."""

import pytest
from kaiwa.cli.words import Word
from kaiwa_training.evaluation.caller import Asked
from kaiwa_training.evaluation.judging import answers_of, interrupted_answers

ASKED = [Asked(3.5, 4.5), Asked(10.0, 11.0)]
NAME, JOKE = "My name is Moshi.", "Why not?"


def words(text: str, start_s: float) -> list[Word]:
    return [Word(word, start_s + 0.3 * place) for place, word in enumerate(text.split())]


def test_words_go_to_the_question_before_them() -> None:
    heard = words("Hello.", 0.5) + words(NAME, 5.0) + words(JOKE, 11.5)
    first, second = answers_of(heard, ASKED, [NAME, JOKE])
    assert first.right and second.right
    assert first.first_word_s == pytest.approx(0.5)
    assert second.first_word_s == pytest.approx(0.5)


@pytest.mark.parametrize("said", ["My name is", "My name is moshi.", "My name is Moshi. Well."])
def test_less_more_and_other_words_are_wrong(said: str) -> None:
    assert not answers_of(words(said, 5.0), ASKED, [NAME, JOKE])[0].right


def test_silence_is_wrong_and_has_no_first_word() -> None:
    answer = answers_of([], ASKED, [NAME, JOKE])[0]
    assert (answer.heard, answer.right, answer.first_word_s) == ("", False, None)


@pytest.mark.parametrize("leftover", ["", "is", "is Moshi."])
def test_an_interrupted_reply_may_go_on_for_a_while(leftover: str) -> None:
    asked = [Asked(3.5, 4.5), Asked(6.0, 7.0)]
    heard = words("My name", 5.0) + words(leftover, 6.1) + words(JOKE, 7.5)
    first, second = interrupted_answers(heard, asked, [NAME, JOKE])
    assert first.right and second.right
    assert second.first_word_s == pytest.approx(0.5)


@pytest.mark.parametrize("after", ["", "is Moshi.", "name Why not?", "is Moshi. Why not? Why"])
def test_an_interruption_needs_its_own_answer(after: str) -> None:
    asked = [Asked(3.5, 4.5), Asked(6.0, 7.0)]
    heard = words("My name", 5.0) + words(after, 6.1)
    assert not interrupted_answers(heard, asked, [NAME, JOKE])[1].right
