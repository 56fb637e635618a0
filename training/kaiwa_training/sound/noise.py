"""Noises that a call may have behind it."""

from collections.abc import Callable

import numpy as np
from kaiwa_server.audio import SAMPLE_RATE_HZ
from numpy.typing import NDArray

Samples = NDArray[np.float32]


def coloured(count: int, rng: np.random.Generator, exponent: float) -> Samples:
    """`count` samples whose power falls as 1 / f^exponent (0 white, 1 pink, 2 brown); rms 1."""
    spectrum = np.fft.rfft(rng.standard_normal(count))
    frequencies = np.fft.rfftfreq(count, 1 / SAMPLE_RATE_HZ)
    spectrum *= np.maximum(frequencies, 40.0) ** (-exponent / 2)
    return _unit(np.fft.irfft(spectrum, count))


def hum(count: int, rng: np.random.Generator) -> Samples:
    """Mains hum and its overtones; rms 1."""
    seconds = np.arange(count) / SAMPLE_RATE_HZ
    base_hz = rng.choice([50.0, 60.0])
    tones = [
        rng.uniform(0.1, 1) / order * np.sin(2 * np.pi * (base_hz * order * seconds + rng.random()))
        for order in range(1, 8)
    ]
    return _unit(np.sum(tones, axis=0))


def crackle(count: int, rng: np.random.Generator) -> Samples:
    """Clicks and taps, a few in each second, over a weak hiss; rms 1."""
    noise = 0.02 * rng.standard_normal(count)
    for _ in range(rng.poisson(4.0 * count / SAMPLE_RATE_HZ)):
        start = int(rng.integers(count))
        length = min(int(rng.integers(40, 1200)), count - start)
        fade = np.exp(-np.arange(length) / (length / 4))
        noise[start : start + length] += rng.uniform(0.2, 1) * fade * rng.standard_normal(length)
    return _unit(noise)


def any_noise(count: int, rng: np.random.Generator) -> Samples:
    """One of the noises, by chance; rms 1."""
    kinds: list[Callable[[], Samples]] = [
        lambda: coloured(count, rng, rng.uniform(0, 2)),
        lambda: coloured(count, rng, 0) + coloured(count, rng, 1.5),
        lambda: hum(count, rng) + 0.3 * coloured(count, rng, 1),
        lambda: crackle(count, rng),
    ]
    chosen = kinds[rng.choice(len(kinds), p=[0.6, 0.2, 0.1, 0.1])]
    return _unit(chosen())


def _unit(noise: NDArray[np.floating]) -> Samples:
    rms = np.sqrt(np.mean(np.square(noise))) + 1e-9
    scaled: Samples = (noise / rms).astype(np.float32)
    return scaled
