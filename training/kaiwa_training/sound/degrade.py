"""What happens to a voice on its way: another throat, a room, a microphone, a line."""

from dataclasses import dataclass

import numpy as np
from kaiwa_server.audio import SAMPLE_RATE_HZ
from numpy.typing import NDArray
from scipy.signal import butter, fftconvolve, sosfilt

from kaiwa_training.sound import throat
from kaiwa_training.sound.noise import any_noise

Samples = NDArray[np.float32]

SPEECH_RMS = 0.07
"""The level that the corpus' clips have over their speech."""


@dataclass(frozen=True)
class Degraded:
    """A clip as the codec hears it, the same without what it should not hear, the noise's rms."""

    heard: Samples
    clean: Samples
    noise_rms: float


def warp(samples: Samples, speed: float) -> Samples:
    """The clip played `speed` times as fast: pitch and throat change with it."""
    count = round(len(samples) / speed)
    places = np.arange(count) * speed
    return _samples(np.interp(places, np.arange(len(samples)), samples))


def random_speed(rng: np.random.Generator) -> float:
    """A speed for `warp` that leaves the voice human."""
    return float(np.exp(rng.uniform(np.log(0.86), np.log(1.18))))


def another_voice(samples: Samples, rng: np.random.Generator) -> tuple[Samples, float]:
    """The clip as another might say it, and how many times as fast that is."""
    speed = random_speed(rng)
    return throat.maybe_another(warp(samples, speed), rng), speed


def degrade(samples: Samples, rng: np.random.Generator, *, hard: float = 1.0) -> Degraded:
    """Puts a clip [n] into a random place; with `hard` 0 only its level changes.

    Noise lies over all of it, so a clip should have the silence around it that is wanted.
    """
    gain = np.float32(10 ** (rng.uniform(-12, 9) / 20))
    if hard == 0:
        return Degraded(samples * gain, samples * gain, 0.0)
    clean = _equalize(samples, rng) if rng.random() < 0.5 else samples
    heard = _reverberate(clean, rng) if rng.random() < 0.3 * hard else clean
    clean, heard = clean * gain, heard * gain
    noise_rms = np.float32(0)
    if rng.random() < 0.85:
        snr_db = rng.uniform(8, 46) + 10 * (1 - hard)
        noise_rms = np.float32(SPEECH_RMS * gain * 10 ** (-snr_db / 20))
        heard = heard + any_noise(len(heard), rng) * noise_rms
    if rng.random() < 0.1:
        heard = _telephone(heard, rng)
    return Degraded(np.clip(heard, -1, 1), clean, float(noise_rms))


def _equalize(samples: Samples, rng: np.random.Generator) -> Samples:
    """A tilt and a bump, as microphones and throats have them."""
    spectrum = np.fft.rfft(samples)
    hz = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE_HZ)
    octaves = np.log2(np.maximum(hz, 60.0) / 1000.0)
    gain_db = rng.uniform(-2.5, 2.5) * octaves
    for _ in range(2):
        centre, width = rng.uniform(-2.5, 3), rng.uniform(0.4, 1.5)
        gain_db += rng.uniform(-6, 6) * np.exp(-(((octaves - centre) / width) ** 2))
    shaped = np.fft.irfft(spectrum * 10 ** (gain_db / 20), len(samples))
    rms_before, rms_after = (np.sqrt(np.mean(np.square(x)) + 1e-12) for x in (samples, shaped))
    return _samples(shaped * (rms_before / rms_after))


def _reverberate(samples: Samples, rng: np.random.Generator) -> Samples:
    """A small room: the direct sound and a noise that dies away."""
    decay_s = rng.uniform(0.08, 0.4)
    times = np.arange(int(decay_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    tail = rng.standard_normal(len(times)) * np.exp(-6.9 * times / decay_s)
    tail *= 10 ** (rng.uniform(-14, -4) / 20) / np.sqrt(np.sum(tail**2))
    tail[0] += 1.0
    return _samples(fftconvolve(samples, tail)[: len(samples)])


def _telephone(samples: Samples, rng: np.random.Generator) -> Samples:
    band_hz = (rng.uniform(80, 350), rng.uniform(3300, 7000))
    sos = butter(3, band_hz, btype="bandpass", fs=SAMPLE_RATE_HZ, output="sos")
    return _samples(sosfilt(sos, samples))


def _samples(sound: NDArray[np.floating]) -> Samples:
    return np.asarray(sound, np.float32)
