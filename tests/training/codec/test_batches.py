"""Batches are clips somewhere in a window, with labels where a causal encoder can know them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from kaiwa_training.codec.batches import HEARD_AFTER_S, WORD_OVER_S, Batch, Batches, Mix
from kaiwa_training.codec.encoder_training import TRAINING_MIX
from kaiwa_training.codec.heads import IGNORED
from kaiwa_training.speech.corpus import Corpus
from kaiwa_training.speech.plan import NO_INTENT, Kind
from torch.utils.data import DataLoader
from training.codec.toy_corpus import (
    INTENTS,
    TRAINING_KINDS,
    Clip,
    WatchedCorpus,
    Word,
    write_corpus,
)

RATE_HZ, FRAME = 24_000, 1_920
QUESTIONS = ((Kind.TRAINING_QUESTION,), 3)
UP, DOWN = 5, 8
"""Two phones, of which one sounds above zero and the other below."""


def batches(corpus: Corpus, mix: Mix, seed: int = 1) -> Batches:
    return Batches(corpus, mix, seed=seed, start=0, stop=5)


def plain(frames: int, *, warped: bool = False) -> Mix:
    """Clean questions, of which one hears where each phone begins."""
    return Mix(rows=(QUESTIONS,), frames=frames, hard=0.0, warped=warped)


def corpus_of(folder: Path, *clips: Clip) -> Corpus:
    return Corpus(write_corpus(folder, clips))


def two_words(kind: Kind = Kind.TRAINING_QUESTION, intent: int = 1) -> Clip:
    return Clip(kind, intent, (Word(UP, 24), Word(DOWN, 31)))


def assert_same(one: Batch, other: Batch) -> None:
    torch.testing.assert_close(one.heard, other.heard, rtol=0, atol=0)
    torch.testing.assert_close(one.clean, other.clean, rtol=0, atol=0)
    torch.testing.assert_close(vars(one.labels), vars(other.labels), rtol=0, atol=0)


def test_a_batch_depends_on_seed_and_step_alone(corpus: Corpus) -> None:
    mix = replace(TRAINING_MIX, frames=8)
    first, again = batches(corpus, mix), batches(corpus, mix)
    for step in range(3):
        first.batch(step)
    assert_same(first.batch(3), again.batch(3))
    assert not torch.equal(first.batch(3).heard, first.batch(4).heard)
    assert not torch.equal(first.batch(3).heard, batches(corpus, mix, seed=2).batch(3).heard)


def test_batches_of_another_process_go_on_from_their_start(corpus: Corpus) -> None:
    made = Batches(corpus, plain(8), seed=1, start=2, stop=4)
    found = list(DataLoader(made, batch_size=None, num_workers=1))
    assert len(found) == 2
    for step, batch in enumerate(found, start=2):
        assert_same(batch, made.batch(step))


def test_what_is_held_out_is_never_trained_on(corpus: WatchedCorpus) -> None:
    made = batches(corpus, replace(TRAINING_MIX, frames=4))
    for step in range(12):
        made.batch(step)
    assert corpus.kinds_heard() == set(TRAINING_KINDS)


def test_a_batch_has_so_many_rows_of_each_kind(corpus: WatchedCorpus) -> None:
    moshi = (Kind.MOSHI_REPLY, Kind.MOSHI_SENTENCE)
    mix = Mix(rows=(((Kind.TRAINING_SENTENCE,), 2), (moshi, 3)), frames=5)
    batch = batches(corpus, mix).batch(0)
    kinds = corpus.clips["kind"][corpus.heard].tolist()
    assert kinds[:2] == [Kind.TRAINING_SENTENCE] * 2 and set(kinds[2:]) <= set(moshi)
    assert batch.heard.shape == (5, 1, 5 * FRAME) and batch.clean.shape == (5, 5 * FRAME)
    assert batch.heard.dtype == batch.clean.dtype == torch.float32
    assert batch.labels.phones.shape == (5, 5, 2) and batch.labels.words.shape == (5, 5)


@pytest.mark.parametrize("frames", [10, 5])
def test_phones_are_asked_for_a_little_after_they_sounded(tmp_path: Path, frames: int) -> None:
    """In a window that holds the clip, and in one that cuts it; at every speed."""
    batch = batches(corpus_of(tmp_path, two_words()), plain(frames, warped=True)).batch(0)
    half = FRAME // 2
    compared = {0: 0, UP: 0, DOWN: 0}
    for sound, labels in zip(batch.clean.numpy(), batch.labels.phones.numpy(), strict=True):
        for place, label in enumerate(labels.reshape(-1)):
            at = place * half + half // 2 - int(HEARD_AFTER_S * RATE_HZ)
            around = np.sign(sound[max(0, at - 3) : at + 4])
            if at >= 3 and len(set(around)) == 1:
                assert label == {0: 0, 1: UP, -1: DOWN}[int(around[0])]
                compared[int(label)] += 1
    assert min(compared[UP], compared[DOWN]) > 5
    assert (compared[0] > 5) == (frames == 10)


def test_a_word_is_known_in_the_frame_in_which_it_is_over(tmp_path: Path) -> None:
    made = batches(corpus_of(tmp_path, two_words()), plain(10, warped=True))
    for step in range(4):
        batch = made.batch(step)
        for sound, words in zip(batch.clean.numpy(), batch.labels.words.numpy(), strict=True):
            expected = np.zeros(10, np.int64)
            for word, sign in ((UP, 1), (DOWN, -1)):
                end_s = (np.flatnonzero(np.sign(sound) == sign)[-1] + 1) / RATE_HZ
                frame = int((end_s + WORD_OVER_S) * RATE_HZ / FRAME)
                expected[frame : frame + 1] = word + 1
            np.testing.assert_array_equal(words, expected)


def test_the_meaning_is_known_once_the_sentence_is_over(tmp_path: Path) -> None:
    made = batches(corpus_of(tmp_path, two_words()), plain(12))
    for step in range(3):
        batch = made.batch(step)
        for sound, meaning in zip(batch.clean.numpy(), batch.labels.meaning.numpy(), strict=True):
            end_s = (np.flatnonzero(sound)[-1] + 1) / RATE_HZ
            known = np.arange(12) >= int((end_s + WORD_OVER_S) * RATE_HZ / FRAME)
            np.testing.assert_array_equal(meaning, np.where(known, 1, IGNORED))


def test_of_half_a_sentence_the_meaning_is_not_known(tmp_path: Path) -> None:
    batch = batches(corpus_of(tmp_path, two_words()), plain(4)).batch(0)
    assert (batch.clean != 0).float().mean() > 0.99
    assert set(batch.labels.meaning.unique().tolist()) == {IGNORED}


def test_a_sentence_is_not_understood_and_moshi_itself_means_nothing(tmp_path: Path) -> None:
    corpus = corpus_of(
        tmp_path,
        two_words(intent=INTENTS),
        two_words(Kind.TRAINING_SENTENCE, NO_INTENT),
        two_words(Kind.MOSHI_REPLY, 1),
    )
    for kind, expected in ((Kind.TRAINING_SENTENCE, INTENTS), (Kind.MOSHI_REPLY, IGNORED)):
        mix = replace(plain(30), rows=(((kind,), 2),))
        meaning = batches(corpus, mix).batch(0).labels.meaning
        assert meaning[:, -1].tolist() == [expected] * 2


def test_of_another_language_nothing_is_known_but_its_silence(tmp_path: Path) -> None:
    foreign = replace(two_words(), foreign=True)
    labels = batches(corpus_of(tmp_path, foreign), plain(20)).batch(0).labels
    assert set(labels.words.unique().tolist()) == {IGNORED}
    assert set(labels.phones.unique().tolist()) == {IGNORED, 0}
    assert 12 <= int((labels.phones[0] == IGNORED).sum()) <= 15


def test_what_is_heard_is_degraded_and_what_is_wanted_is_not(tmp_path: Path) -> None:
    mix = replace(plain(20), hard=1.0, rows=(((Kind.TRAINING_QUESTION,), 8),))
    batch = batches(corpus_of(tmp_path, two_words()), mix).batch(0)
    edges = np.r_[0:100, -100:0]
    noisy = np.abs(batch.heard[:, 0, edges].numpy()).max(axis=1) > 0
    assert noisy.sum() >= 5
    assert float(batch.heard.abs().max()) <= 1.0


def test_without_warping_a_clip_keeps_its_length(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, two_words())
    for warped in (False, True):
        clean = batches(corpus, plain(20, warped=warped)).batch(0).clean
        lengths = {int((row != 0).sum()) for row in clean}
        assert (lengths == {55 * 240}) != warped
