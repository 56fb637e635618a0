"""The decoder and the LM are taught from the same tokens, each beside its own sound."""

from pathlib import Path

import numpy as np
import pytest
from kaiwa_server.models.mimi import Mimi
from kaiwa_training.codec.decoder_training import Spoken
from kaiwa_training.codec.encoding import encode
from kaiwa_training.codec.material import (
    LEAD_FRAMES,
    QUIET_AFTER,
    QUIET_BEFORE,
    TAIL_FRAMES,
    in_a_call,
    load_spoken,
    replies,
    reply_bank,
    save_spoken,
    silence,
    spoken,
)
from kaiwa_training.codec.shape import DEMO_MIMI
from kaiwa_training.lm.tokenizer import END_OF_PADDING, PADDING, train_tokenizer
from kaiwa_training.speech.clips import speech_of
from kaiwa_training.speech.corpus import Corpus
from kaiwa_training.speech.plan import NO_INTENT, Kind
from tiny_mimi import tiny_mimi
from training.codec.toy_corpus import Clip, Word, write_corpus

FRAME = 1_920
UP, DOWN = 5, 8


@pytest.fixture(scope="module")
def mimi() -> Mimi:
    return tiny_mimi()


@pytest.fixture
def said(tmp_path: Path) -> Corpus:
    """A reply of 4 1/8 frames, and one of 10."""
    short = Clip(Kind.MOSHI_REPLY, 0, (Word(UP, 20), Word(DOWN, 13)))
    long = Clip(Kind.MOSHI_SENTENCE, NO_INTENT, (Word(UP, 50), Word(DOWN, 30)))
    question = Clip(Kind.TRAINING_QUESTION, 0, (Word(UP, 9),))
    return Corpus(write_corpus(tmp_path, [short, long, question]))


def assert_encoded(mimi: Mimi, clip: Spoken) -> None:
    (expected,) = encode(mimi, [clip.pcm])
    np.testing.assert_array_equal(clip.codes, expected)


def test_clips_begin_in_silence_anywhere_in_a_frame_at_any_level(mimi: Mimi, said: Corpus) -> None:
    made = spoken(mimi, said, [1] * 12, lead_frames=3, least_frames=0, seed=1)
    starts = [int(np.flatnonzero(clip.pcm)[0]) - 3 * FRAME for clip in made]
    loudness = [float(np.abs(clip.pcm).max()) for clip in made]
    assert 0 <= min(starts) < 400 and 1_500 < max(starts) < FRAME
    assert max(loudness) > 1.5 * min(loudness)
    assert {clip.codes.shape[1] for clip in made} == {14}
    for clip in made[:2]:
        assert_encoded(mimi, clip)


def test_clips_are_at_least_as_long_as_a_crop(mimi: Mimi, said: Corpus) -> None:
    short, long = spoken(mimi, said, [0, 1], lead_frames=3, least_frames=11, seed=1)
    assert (short.codes.shape[1], len(short.pcm)) == (11, 11 * FRAME)
    assert long.codes.shape[1] == 14
    assert not short.pcm[9 * FRAME :].any()
    assert_encoded(mimi, short)


def test_clips_depend_on_their_seed_alone(mimi: Mimi, said: Corpus) -> None:
    one, same, other = (
        spoken(mimi, said, [0], lead_frames=1, least_frames=0, seed=seed)[0].pcm
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_a_reply_begins_on_a_frame_after_silence_and_fades(mimi: Mimi, said: Corpus) -> None:
    (reply,) = replies(mimi, said, [0])
    speech, start = speech_of(said, 0), LEAD_FRAMES * FRAME
    np.testing.assert_array_equal(reply.pcm[start : start + len(speech)], speech)
    assert not reply.pcm[:start].any() and not reply.pcm[start + len(speech) :].any()
    assert reply.codes.shape[1] == LEAD_FRAMES + 5 + TAIL_FRAMES
    assert_encoded(mimi, reply)


def test_before_a_reply_the_demo_encoder_has_forgotten_the_start_of_the_call() -> None:
    transformer = DEMO_MIMI.transformer
    looks_back = transformer.layers * transformer.context // DEMO_MIMI.latents_per_frame
    assert looks_back < LEAD_FRAMES


def test_silence_is_that_of_a_long_call(mimi: Mimi) -> None:
    still = silence(mimi)
    (call,) = encode(mimi, [np.zeros(60 * FRAME, np.float32)])
    assert still.shape[0] == mimi.num_codebooks and still.shape[1] >= 100
    np.testing.assert_array_equal(still, np.repeat(call[:, -1:], still.shape[1], axis=1))


def test_in_a_call_a_reply_lies_between_the_tokens_of_silence(mimi: Mimi, said: Corpus) -> None:
    reply, quiet = replies(mimi, said, [0]), np.arange(8 * 40, dtype=np.uint16).reshape(8, 40)[:4]
    (clip,) = in_a_call(reply, quiet)
    own = reply[0].codes.shape[1] - LEAD_FRAMES
    before, middle, after = np.split(clip.codes, [QUIET_BEFORE, QUIET_BEFORE + own], axis=1)
    np.testing.assert_array_equal(before, quiet[:, :QUIET_BEFORE])
    np.testing.assert_array_equal(middle, reply[0].codes[:, LEAD_FRAMES:])
    np.testing.assert_array_equal(after, quiet[:, :QUIET_AFTER])
    assert len(clip.pcm) == clip.codes.shape[1] * FRAME
    speech, start = speech_of(said, 0), QUIET_BEFORE * FRAME
    np.testing.assert_array_equal(clip.pcm[start : start + len(speech)], speech)
    assert np.count_nonzero(clip.pcm) == np.count_nonzero(speech)


def test_the_bank_has_each_word_in_the_frame_in_which_it_begins(mimi: Mimi, said: Corpus) -> None:
    tokenizer = train_tokenizer(["Hello, you.", "Bye now."])
    starts_s = [(said.words(0)["start_cs"] / 100).tolist()]
    exactly = replies(mimi, said, [0])
    bank = reply_bank(exactly, ["greeting"], ["Hello, you."], starts_s, tokenizer)
    (reply,) = bank.replies
    hello, you = tokenizer.tokens("Hello, you.")
    assert (reply.name, reply.text) == ("greeting", "Hello, you.")
    assert reply.tokens.tolist() == [hello, END_OF_PADDING, you, *[PADDING] * (2 + TAIL_FRAMES)]
    np.testing.assert_array_equal(reply.codes, exactly[0].codes[:, LEAD_FRAMES:])


def test_material_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    clips = [
        Spoken(
            rng.uniform(-1, 1, frames * FRAME).astype(np.float32),
            rng.integers(512, size=(8, frames)).astype(np.uint16),
        )
        for frames in (2, 3, 1)
    ]
    save_spoken(tmp_path / "material.npz", [clips[:2], [], clips[2:]])
    loaded = load_spoken(tmp_path / "material.npz")
    assert [len(pool) for pool in loaded] == [2, 0, 1]
    for clip, found in zip(clips, [*loaded[0], *loaded[2]], strict=True):
        np.testing.assert_array_equal(found.codes, clip.codes)
        np.testing.assert_allclose(found.pcm, clip.pcm, atol=1 / 32767)
        assert found.pcm.dtype == np.float32
