from pathlib import Path

import numpy as np
import pytest
from kaiwa_training.lm.bank import ReplyBank, text_stream
from kaiwa_training.lm.tokenizer import END_OF_PADDING, PADDING
from training.lm.toy import ToyWorld

E, P = END_OF_PADDING, PADDING


def test_a_word_stands_in_the_frame_in_which_it_begins_after_the_end_of_padding() -> None:
    stream = text_stream([7, 8, 9], [0.0, 0.25, 0.34], lead_frames=0, frames=8)
    assert stream.tolist() == [7, P, E, 8, 9, P, P, P]


def test_the_first_word_stands_where_its_clip_begins_even_if_it_sounds_later() -> None:
    stream = text_stream([7, 8], [0.12, 0.4], lead_frames=2, frames=9)
    assert stream.tolist() == [P, E, 7, P, P, P, E, 8, P]


def test_words_of_the_same_frame_follow_each_other() -> None:
    assert text_stream([7, 8, 9], [0.0, 0.01, 0.02], lead_frames=0, frames=3).tolist() == [7, 8, 9]


def test_a_clip_that_is_too_short_for_its_words_is_refused() -> None:
    with pytest.raises(ValueError, match="frame 5 of 4"):
        text_stream([7, 8], [0.0, 0.4], lead_frames=0, frames=4)


def test_a_bank_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    bank = ToyWorld().bank()
    bank.save(tmp_path / "bank.npz")
    loaded = ReplyBank.load(tmp_path / "bank.npz")
    assert loaded.names == bank.names
    for ours, theirs in zip(loaded.replies, bank.replies, strict=True):
        assert (ours.name, ours.text, ours.words) == (theirs.name, theirs.text, theirs.words)
        np.testing.assert_array_equal(ours.codes, theirs.codes)
        np.testing.assert_array_equal(ours.tokens, theirs.tokens)
