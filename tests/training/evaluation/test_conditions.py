"""Conditions change a caller's sound as their names say."""

import numpy as np
import pytest
from kaiwa_training.evaluation.clips import rms_of
from kaiwa_training.evaluation.conditions import CLEAN, CONDITIONS, Condition, noise_bed

SPEECH = (0.1 * np.random.default_rng(1).standard_normal(24_000)).astype(np.float32)


def test_clean_changes_nothing() -> None:
    assert np.array_equal(CLEAN.voice(SPEECH), SPEECH)
    assert CLEAN.bed(SPEECH, seed=1) is None


@pytest.mark.parametrize("gain_db", [-6.0, 6.0])
def test_the_level_moves_by_as_many_decibels(gain_db: float) -> None:
    moved = Condition("level", gain_db=gain_db).voice(SPEECH)
    assert 20 * np.log10(rms_of(moved) / rms_of(SPEECH)) == pytest.approx(gain_db, abs=0.1)


@pytest.mark.parametrize("noise", [(0.0,), (0.0, 1.0)])
def test_noise_is_as_far_below_the_speech_as_asked(noise: tuple[float, ...]) -> None:
    bed = Condition("noise", noise=noise, snr_db=20.0).bed(SPEECH, seed=3)
    assert bed is not None and bed.dtype == np.float32
    assert 20 * np.log10(rms_of(SPEECH) / rms_of(bed)) == pytest.approx(20, abs=0.01)


def test_a_seed_gives_the_same_noise_again_and_another_one_other_noise() -> None:
    first, again, other = (noise_bed((0.0, 1.0), 0.01, seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_conditions_have_names_of_their_own() -> None:
    assert len({condition.name for condition in CONDITIONS}) == len(CONDITIONS)
