"""Clips are trimmed to their speech, and chosen evenly."""

from collections import Counter

import numpy as np
from kaiwa_training.evaluation.clips import choose_evenly, speech_of

RNG = np.random.default_rng(5)


def test_the_silence_around_speech_is_cut_off() -> None:
    speech = np.sin(np.arange(4_800) / 5).astype(np.float32)
    padded = np.pad(speech, (2_400, 7_200)) + 1e-4 * np.float32(RNG.standard_normal(14_400))
    assert abs(len(speech_of(padded)) - 4_800) <= 480


def test_silence_holds_no_speech() -> None:
    assert len(speech_of(np.zeros(2_400, np.float32))) == 0


def test_every_engine_gives_as_many_clips() -> None:
    groups = [("espeak", "name")] * 100 + [("flite", "name")] * 10
    chosen = choose_evenly(groups, 20, RNG)
    assert Counter(groups[index][0] for index in chosen) == {"espeak": 10, "flite": 10}


def test_within_an_engine_the_intents_keep_their_shares() -> None:
    groups = [("flite", intent) for intent in "xyz" for _ in range(20)] + [("flite", "o")] * 40
    chosen = [groups[index][1] for index in choose_evenly(groups, 10, RNG)]
    assert Counter(chosen) == {"x": 2, "y": 2, "z": 2, "o": 4}


def test_no_clip_is_chosen_twice_and_a_poor_engine_gives_all() -> None:
    groups = [("espeak", "name")] * 3 + [("flite", "name")] * 30
    chosen = choose_evenly(groups, 20, RNG)
    assert len(set(chosen)) == len(chosen) == 13
