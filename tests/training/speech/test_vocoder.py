"""The vocoder speaks at the pitch, with the breath and in the colour that it is told."""

from typing import Any

import numpy as np
from kaiwa_training.speech.speech import SAMPLE_RATE_HZ
from kaiwa_training.speech.vocoder import FRAME_SAMPLES, Frames, sound

FRAMES = 200
UNVOICED = -1e10


def frames(pitch_hz: float | None, breath_db: float = -40.0, tilt: float = 0.0) -> Frames:
    cepstra = np.zeros((FRAMES, 31), np.float32)
    cepstra[:, 1] = tilt
    log_pitch = np.full(FRAMES, UNVOICED if pitch_hz is None else np.log(pitch_hz), np.float32)
    return Frames(cepstra, log_pitch, np.full((FRAMES, 7), breath_db, np.float32))


def likeness(samples: Any, lag: int) -> float:
    """How much a sound is like itself so many samples later, at most 1."""
    return float(np.corrcoef(samples[:-lag], samples[lag:])[0, 1])


def test_every_frame_becomes_120_samples_that_are_half_as_loud_as_can_be() -> None:
    samples = sound(frames(100.0), seed=1)
    assert samples.shape == (FRAMES * FRAME_SAMPLES,)
    assert samples.dtype == np.float32
    assert 0.4 < np.abs(samples).max() <= 0.5


def test_a_voice_comes_back_after_its_period() -> None:
    for pitch_hz in (80.0, 120.0, 200.0):
        assert likeness(sound(frames(pitch_hz), seed=1), round(SAMPLE_RATE_HZ / pitch_hz)) > 0.9


def test_without_a_voice_or_all_breath_it_is_noise() -> None:
    for said in (frames(None), frames(120.0, breath_db=0.0)):
        assert abs(likeness(sound(said, seed=1), 200)) < 0.1


def test_breath_is_the_share_of_noise() -> None:
    much, little = (likeness(sound(frames(120.0, db), seed=1), 200) for db in (-3.0, -10.0))
    assert 0.1 < much < little


def test_a_positive_first_cepstrum_makes_low_sounds_louder() -> None:
    def share_below_4_khz(tilt: float) -> float:
        power = np.abs(np.fft.rfft(sound(frames(100.0, tilt=tilt), seed=1))) ** 2
        return float(power[: len(power) // 3].sum() / power.sum())

    assert share_below_4_khz(1.0) > 0.8
    assert share_below_4_khz(-1.0) < 0.1


def test_a_seed_gives_one_sound() -> None:
    said = frames(100.0, breath_db=-3.0)
    assert np.array_equal(sound(said, seed=1), sound(said, seed=1))
    assert not np.array_equal(sound(said, seed=1), sound(said, seed=2))
