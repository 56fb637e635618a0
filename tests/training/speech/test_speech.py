"""Words get their times from what an engine says of them."""

import numpy as np
import pytest
from kaiwa_training.speech.speech import time_words, to_24_khz

PHONES = ((0, 0.0, 0.1), (5, 0.1, 0.5), (6, 0.5, 0.9), (0, 0.9, 1.2), (7, 1.2, 2.0), (0, 2.0, 2.2))


def test_a_word_lasts_until_the_next_one() -> None:
    words = time_words("a b c", {0: 0.1, 1: 0.5, 2: 1.2}, PHONES, 2.2)
    assert words[0] == ("a", 0.1, 0.5)


def test_a_word_ends_before_the_pause_that_follows_it() -> None:
    words = time_words("a b c", {0: 0.1, 1: 0.5, 2: 1.2}, PHONES, 2.2)
    assert words[1:] == (("b", 0.5, 0.9), ("c", 1.2, 2.0))


def test_words_said_as_one_share_the_time_by_their_letters() -> None:
    words = time_words("of the c", {0: 0.1, 2: 1.2}, PHONES, 2.2)
    assert [word for word, _, _ in words] == ["of", "the", "c"]
    assert words[0][2] == words[1][1] == pytest.approx(0.1 + 0.8 * 2 / 5)
    assert words[1][2] == pytest.approx(0.9)


def test_sound_keeps_its_length_in_seconds() -> None:
    assert len(to_24_khz(np.zeros(16_000, np.int16), 16_000)) == 24_000
