"""The texts are what the demo needs: many questions, short replies, nothing held out is trained."""

import re
from collections import Counter

import pytest
from kaiwa_training.texts.texts import Texts, load_texts, words_of


@pytest.fixture(scope="module")
def texts() -> Texts:
    return load_texts()


def asked(texts: Texts) -> list[str]:
    """Every question and sentence that is said in training."""
    questions = [text for intent in texts.intents for text in intent.asked]
    return [*questions, *texts.other, *texts.sentences]


def held_out(texts: Texts) -> list[str]:
    questions = [text for intent in texts.intents for text in intent.held_out]
    return [*questions, *texts.other_held_out, *texts.sentences_held_out]


def test_there_are_enough_intents_each_with_enough_phrasings(texts: Texts) -> None:
    assert len(texts.intents) >= 26
    assert all(110 <= len(intent.asked) <= 160 for intent in texts.intents)
    assert all(len(intent.held_out) == 5 for intent in texts.intents)


def test_replies_begin_with_words_of_their_own(texts: Texts) -> None:
    first = [words_of(reply)[0] for reply in texts.replies()]
    assert len(set(first)) == len(first)


def test_replies_are_short(texts: Texts) -> None:
    assert all(5 <= len(reply.split()) <= 13 for reply in texts.replies())


def test_a_reply_stands_at_the_place_of_its_intent(texts: Texts) -> None:
    replies = texts.replies()
    assert [intent.reply for intent in texts.intents] == list(replies[:-2])
    assert replies[-2:] == (texts.not_understood, texts.greeting)


def test_texts_are_plain_words(texts: Texts) -> None:
    foreign = [foreign.text for foreign in texts.foreign]
    for text in [*asked(texts), *held_out(texts), *texts.replies(), *foreign]:
        assert re.fullmatch(r"[A-Za-z' ,.?!]+", text), text


def test_questions_are_short(texts: Texts) -> None:
    for intent in texts.intents:
        assert all(len(text.split()) <= 12 for text in (*intent.asked, *intent.held_out))


def test_no_text_is_there_twice(texts: Texts) -> None:
    said = Counter(" ".join(words_of(text)) for text in (*asked(texts), *held_out(texts)))
    assert not [text for text, times in said.items() if times > 1]


def test_nothing_held_out_is_a_reordered_text_of_training(texts: Texts) -> None:
    trained = {tuple(sorted(words_of(text))) for text in asked(texts)}
    assert not [text for text in held_out(texts) if tuple(sorted(words_of(text))) in trained]


def test_a_word_has_one_form_for_its_sound() -> None:
    assert words_of("Hello, I am Moshi.") == ("hello", "i", "am", "moshi")
