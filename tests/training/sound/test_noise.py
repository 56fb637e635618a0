"""Noises have one loudness and the colour that is asked for."""

from collections.abc import Callable

import numpy as np
import pytest
from kaiwa_training.sound.noise import Samples, any_noise, coloured, crackle, hum

SECOND = 24_000
MAKERS: dict[str, Callable[[int, np.random.Generator], Samples]] = {
    "white": lambda count, rng: coloured(count, rng, 0),
    "brown": lambda count, rng: coloured(count, rng, 2),
    "hum": hum,
    "crackle": crackle,
    "any": any_noise,
}


def power(noise: Samples, low_hz: float, high_hz: float) -> float:
    """The mean power of a Hz of a band."""
    spectrum = np.abs(np.fft.rfft(noise)) ** 2
    hz = np.fft.rfftfreq(len(noise), 1 / SECOND)
    return float(spectrum[(hz >= low_hz) & (hz < high_hz)].mean())


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("count", [SECOND, 12_345])
def test_a_noise_is_as_long_and_as_loud_as_agreed(name: str, count: int) -> None:
    for seed in range(5):
        noise = MAKERS[name](count, np.random.default_rng(seed))
        assert noise.dtype == np.float32 and noise.shape == (count,)
        assert np.sqrt(np.mean(noise.astype(np.float64) ** 2)) == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize("name", MAKERS)
def test_a_noise_depends_on_its_generator_alone(name: str) -> None:
    one, same, other = (MAKERS[name](4_800, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("exponent", [0, 1, 2])
def test_the_power_of_coloured_noise_falls_with_frequency(exponent: float) -> None:
    noise = coloured(8 * SECOND, np.random.default_rng(1), exponent)
    octaves = 3
    fall = power(noise, 500, 600) / power(noise, 500 * 2**octaves, 600 * 2**octaves)
    assert np.log2(fall) / octaves == pytest.approx(exponent, abs=0.08)


def test_there_is_no_rumble_below_hearing_in_brown_noise() -> None:
    noise = coloured(8 * SECOND, np.random.default_rng(1), 2)
    assert power(noise, 0, 10) < 3 * power(noise, 30, 40)


def test_a_hum_is_the_mains_and_its_overtones() -> None:
    bases = set()
    for seed in range(8):
        noise = hum(SECOND, np.random.default_rng(seed))
        spectrum = np.abs(np.fft.rfft(noise)) ** 2
        tones = np.flatnonzero(spectrum > spectrum.max() * 1e-5)
        base_hz = int(tones[0])
        bases.add(base_hz)
        assert set(tones) <= {base_hz * order for order in range(1, 8)}
    assert bases == {50, 60}


def test_crackle_is_mostly_quiet_and_sometimes_loud() -> None:
    noise = np.abs(crackle(4 * SECOND, np.random.default_rng(1)))
    assert np.median(noise) < 0.2 and noise.max() > 8


def test_some_of_all_noises_are_even_and_some_are_not() -> None:
    peaks = [np.abs(any_noise(SECOND, np.random.default_rng(seed))).max() for seed in range(40)]
    assert sum(peak < 3 for peak in peaks) >= 1
    assert sum(3 <= peak < 7 for peak in peaks) >= 20
    assert sum(peak > 7 for peak in peaks) >= 1
