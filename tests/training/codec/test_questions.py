"""Questions for the LM: their frames, their words and their ends are where they are heard."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kaiwa_server.models.mimi import Mimi
from kaiwa_training.codec import questions
from kaiwa_training.codec.questions import (
    CONDITIONS_FROM_RMS,
    LEAD_FRAMES,
    TAIL_FRAMES,
    condition_of,
    make_backgrounds,
    make_questions,
    on_a_line,
)
from kaiwa_training.lm.bank import NOT_UNDERSTOOD
from kaiwa_training.lm.stores import NO_WORD, QuestionStore
from kaiwa_training.sound.degrade import Degraded
from kaiwa_training.speech.corpus import Corpus
from kaiwa_training.speech.plan import NO_INTENT, Kind
from numpy.typing import NDArray
from tiny_mimi import tiny_mimi
from training.codec.toy_corpus import Clip, Word, write_corpus

FRAME = 1_920
NAMES = ("first", "second", NOT_UNDERSTOOD, "greeting")
UP, DOWN = 5, 8
ABOVE, BELOW = 1, 2

Sound = NDArray[np.float32]


def listen(mimi: Mimi, sounds: Sequence[Sound]) -> list[NDArray[np.uint16]]:
    """Stands for the encoder: tells of each frame whether a sound above or below zero is in it."""
    told = []
    for sound in sounds:
        frames = sound.reshape(-1, FRAME)
        above, below = (frames > 1e-3).any(axis=1), (frames < -1e-3).any(axis=1)
        told.append(np.tile(ABOVE * above + BELOW * below, (8, 1)).astype(np.uint16))
    return told


@pytest.fixture(autouse=True)
def _listening(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "encode", listen)


def corpus_of(folder: Path, *clips: Clip) -> Corpus:
    return Corpus(write_corpus(folder, clips))


def question(intent: int = 1, silent_cs: int = 0) -> Clip:
    return Clip(Kind.TRAINING_QUESTION, intent, (Word(UP, 24), Word(DOWN, 31)), silent_cs)


def make(corpus: Corpus, clips: list[int], *, hard: float = 0.0, seed: int = 1) -> QuestionStore:
    mimi = tiny_mimi()
    return make_questions(mimi, corpus, NAMES, np.array(clips), seed=seed, hard=hard)


@pytest.mark.parametrize("silent_cs", [0, 35])
def test_a_question_begins_and_ends_where_its_speech_does(tmp_path: Path, silent_cs: int) -> None:
    """Also when the voice leaves silence after its last word; at any place of a frame."""
    corpus = corpus_of(tmp_path, question(intent=2), question(silent_cs=silent_cs))
    store = make(corpus, [1] * 20)
    for place in range(20):
        heard = np.flatnonzero(store.clip(place)[0])
        end = int(store.speech_end_frame[place])
        assert heard[0] == LEAD_FRAMES
        assert end == heard[-1]
        assert store.lengths[place] == end + 1 + TAIL_FRAMES
    assert len(set(store.speech_end_frame.tolist())) > 1


def test_words_stand_in_the_frames_in_which_they_end(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, question(intent=2), question())
    store = make(corpus, [1] * 20)
    for place in range(20):
        codes, words = store.clip(place)[0], store.clip_words(place)
        expected = np.full(len(codes), NO_WORD)
        expected[np.flatnonzero(codes & ABOVE)[-1]] = UP
        expected[np.flatnonzero(codes & BELOW)[-1]] = DOWN
        np.testing.assert_array_equal(words, expected)


def test_at_another_speed_words_and_ends_are_still_where_they_are_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unharmed(samples: Sound, rng: np.random.Generator, *, hard: float) -> Degraded:
        return Degraded(samples, samples, 0.0)

    monkeypatch.setattr(questions, "degrade", unharmed)
    monkeypatch.setattr(questions, "through_opus", lambda samples, bitrate_bps: samples)
    store = make(corpus_of(tmp_path, question(2), question()), [1] * 20, hard=1.0)
    for place in range(20):
        codes, words = store.clip(place)[0], store.clip_words(place)
        assert words is not None
        assert int(store.speech_end_frame[place]) == np.flatnonzero(codes)[-1]
        assert words.tolist().index(UP) == np.flatnonzero(codes & ABOVE)[-1]
        assert words.tolist().index(DOWN) == np.flatnonzero(codes & BELOW)[-1]
    assert np.ptp(store.lengths) >= 2


def test_a_store_knows_what_was_asked_and_by_whom(tmp_path: Path) -> None:
    sentence = replace(question(), kind=Kind.TRAINING_SENTENCE, intent=NO_INTENT)
    corpus = corpus_of(tmp_path, question(0), question(1), question(2), sentence)
    store = make(corpus, [3, 0, 2, 1])
    assert store.intent.tolist() == [NOT_UNDERSTOOD, "first", NOT_UNDERSTOOD, "second"]
    assert store.text.tolist() == [3, 0, 2, 1] and store.voice.tolist() == [1, 0, 0, 1]
    assert store.codes.shape[1] == store.lengths.sum() == store.starts[-1] + store.lengths[-1]


def test_what_nobody_knows_the_words_of_ends_with_its_sound(tmp_path: Path) -> None:
    store = make(corpus_of(tmp_path, replace(question(2), foreign=True)), [0])
    assert store.speech_end_frame[0] == np.flatnonzero(store.clip(0)[0])[-1]
    assert store.words is not None and set(store.words.tolist()) == {NO_WORD}


def test_the_same_seed_makes_the_same_store(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, question(2), question())
    one, same, other = (make(corpus, [0, 1, 1], hard=1.0, seed=seed) for seed in (1, 1, 2))
    fields: dict[str, Any] = vars(one)
    for name, found in fields.items():
        np.testing.assert_array_equal(found, getattr(same, name))
    assert one.codes.shape != other.codes.shape or bool((one.codes != other.codes).any())


def test_without_hardness_there_is_no_noise(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, question(2), question())
    assert set(make(corpus, [1] * 20).condition.tolist()) == {0}
    assert len(set(make(corpus, [1] * 20, hard=1.0).condition.tolist())) > 1


def test_louder_noise_is_another_condition() -> None:
    silence, faint, loud = CONDITIONS_FROM_RMS
    levels = [0.0, silence, faint * 0.99, faint, loud * 0.99, loud, 1.0]
    assert [condition_of(level) for level in levels] == [0, 1, 1, 2, 2, 3, 3]


def test_speech_comes_at_every_place_of_a_frame() -> None:
    places, rng = [], np.random.default_rng(1)
    for _ in range(40):
        heard = on_a_line(np.ones(3_000, np.float32), rng, hard=0.0)
        assert len(heard.samples) % FRAME == 0
        assert np.flatnonzero(heard.samples)[0] == heard.lead_samples
        assert len(heard.samples) - heard.lead_samples - 3_000 >= (TAIL_FRAMES + 1) * FRAME
        places.append(heard.lead_samples % FRAME)
    assert min(places) < 300 and max(places) > 1_600


def test_backgrounds_are_as_loud_as_their_condition(monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(mimi: Mimi, sounds: Sequence[Sound]) -> list[NDArray[np.uint16]]:
        found.extend(float(np.sqrt(np.mean(np.square(sound)))) for sound in sounds)
        assert {len(sound) for sound in sounds} == {12 * FRAME}
        return [np.full((8, 12), place, np.uint16) for place in range(len(sounds))]

    found: list[float] = []
    monkeypatch.setattr(questions, "encode", measure)
    monkeypatch.setattr(questions, "BACKGROUND_FRAMES", 12)
    store = make_backgrounds(tiny_mimi(), seed=1, each=5)
    assert store.condition.tolist() == [0] + [1] * 5 + [2] * 5 + [3] * 5
    assert [condition_of(rms) for rms in found] == store.condition.tolist()
    for place in range(len(store)):
        assert store.clip(place).shape == (8, 12) and set(store.clip(place)[0]) == {place}
