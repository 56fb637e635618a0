"""In another throat a voice keeps its pitch, its times and its level, and changes its vowels."""

import numpy as np
import pytest
from kaiwa_training.sound.throat import Samples, maybe_another, reshape
from scipy.signal import lfilter, welch

SECOND = 24_000
PITCH_HZ = 120
VOWEL_HZ = (600, 1_800, 3_000)


def vowel() -> Samples:
    """A second of a steady vowel."""
    pulses = np.zeros(SECOND)
    pulses[:: SECOND // PITCH_HZ] = 1.0
    return through_resonances(pulses)


def whisper() -> Samples:
    """Ten seconds of the same vowel without a pitch."""
    return through_resonances(np.random.default_rng(1).standard_normal(10 * SECOND))


def through_resonances(sound: np.ndarray) -> Samples:
    for hz in VOWEL_HZ:
        radius = np.exp(-np.pi * 90 / SECOND)
        sound = lfilter([1.0], [1, -2 * radius * np.cos(2 * np.pi * hz / SECOND), radius**2], sound)
    return np.asarray(0.07 * sound / np.sqrt(np.mean(sound**2)), np.float32)


def loudness(samples: Samples) -> np.ndarray:
    """The amplitude at each Hz of the middle of a second."""
    return np.abs(np.fft.rfft(samples[4_000:20_000] * np.hanning(16_000), SECOND))


def formants_hz(samples: Samples) -> list[float]:
    """Where it is loudest near each of the vowel's resonances."""
    hz, power = welch(samples, SECOND, nperseg=1_024)
    near = [(hz > 0.83 * formant) & (hz < 1.2 * formant) for formant in VOWEL_HZ]
    return [float(hz[band][power[band].argmax()]) for band in near]


def rms(samples: Samples) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


@pytest.mark.parametrize("length", [-0.15, -0.08, 0.08, 0.15])
def test_formants_move_by_the_throats_length(length: float) -> None:
    found = formants_hz(reshape(whisper(), length, 0.0))
    np.testing.assert_allclose(np.log(np.divide(found, VOWEL_HZ)), length, atol=0.04)


def test_a_bend_moves_low_formants_up_and_high_ones_down() -> None:
    lowest, _, highest = np.log(np.divide(formants_hz(reshape(whisper(), 0.0, 0.08)), VOWEL_HZ))
    assert lowest == pytest.approx(0.08 * np.cos(np.pi * 600 / 5_000), abs=0.04)
    assert highest == pytest.approx(0.08 * np.cos(np.pi * 3_000 / 5_000), abs=0.01)


@pytest.mark.parametrize(("length", "bend"), [(0.15, 0.08), (-0.15, 0.08), (-0.15, -0.08)])
def test_pitch_times_and_level_stay(length: float, bend: float) -> None:
    quiet = np.zeros(SECOND // 2, np.float32)
    sound = np.concatenate((quiet, vowel(), quiet))
    reshaped = reshape(sound, length, bend)
    assert reshaped.dtype == np.float32 and reshaped.shape == sound.shape
    assert rms(reshaped) == pytest.approx(rms(sound), rel=1e-4)
    assert rms(reshaped[: len(quiet) - 1_024]) < 1e-3 * rms(reshaped)
    heard = loudness(reshaped[len(quiet) : -len(quiet)])
    harmonics = heard[PITCH_HZ:3_600:PITCH_HZ]
    between = heard[PITCH_HZ + PITCH_HZ // 2 : 3_600 : PITCH_HZ]
    assert (harmonics > 10 * between).all()


def test_the_same_throat_changes_nothing() -> None:
    np.testing.assert_allclose(reshape(vowel(), 0.0, 0.0), vowel(), atol=1e-6)


def test_what_lies_above_the_formants_stays() -> None:
    hiss = np.random.default_rng(1).standard_normal(SECOND).astype(np.float32)
    before, after = (loudness(sound)[7_600:] for sound in (hiss, reshape(hiss, 0.15, 0.0)))
    assert np.sum(after**2) / np.sum(before**2) == pytest.approx(1, rel=0.1)


def test_silence_and_the_shortest_clip_come_back() -> None:
    assert not reshape(np.zeros(SECOND, np.float32), 0.1, 0.05).any()
    assert len(reshape(vowel()[:1], 0.1, 0.05)) == 1


def test_every_second_voice_or_so_gets_another_throat_and_each_its_own() -> None:
    rng = np.random.default_rng(3)
    heard = [maybe_another(vowel(), rng) for _ in range(60)]
    changed = [sound for sound in heard if not np.array_equal(sound, vowel())]
    assert 20 <= len(changed) <= 40
    assert not np.array_equal(changed[0], changed[1])
    again = np.random.default_rng(3)
    np.testing.assert_array_equal(
        np.stack(heard), np.stack([maybe_another(vowel(), again) for _ in range(60)])
    )
