"""Another throat for a voice: its formants move, its pitch and its times stay.

The envelope of each short spectrum is that of linear prediction (J. Makhoul, "Linear prediction: a
tutorial review", 1975). It is read at other frequencies, as vocal tracts of other lengths and
shapes would give it (N. Jaitly and G. E. Hinton, "Vocal tract length perturbation improves speech
recognition", 2013).
"""

import numpy as np
from kaiwa_server.audio import SAMPLE_RATE_HZ
from numpy.typing import NDArray

Samples = NDArray[np.float32]

WINDOW, HOP = 1024, 256
POLES = 28
"""A resonance takes two, a voice has about one in each kHz, and the rest is for its colour."""
FLOOR = 1e-4
"""A noise under each spectrum, as a share of its power: its empty bands should not decide."""
MOST_LENGTH, MOST_BEND = 0.15, 0.08
"""How much longer or shorter a throat is at most, and its one end against the other; logarithms."""
STAYS_FROM_HZ, MOVES_BELOW_HZ = 7_500.0, 5_000.0
"""Most voices of the corpus have nothing above 8 kHz: where that begins should tell nothing."""
MOST_GAIN = np.log(10)
"""20 dB: what a formant that moves may add to or take from a frequency."""
CHANCE = 0.5
"""How often a voice gets another throat."""


def maybe_another(samples: Samples, rng: np.random.Generator) -> Samples:
    """The clip [n], or by chance what it is out of a throat of another length and shape."""
    if rng.random() >= CHANCE:
        return samples
    length = rng.uniform(-MOST_LENGTH, MOST_LENGTH)
    bend = rng.uniform(-MOST_BEND, MOST_BEND)
    return reshape(samples, length, bend)


def reshape(samples: Samples, length: float, bend: float) -> Samples:
    """The clip [n] with its formants exp(length) times as high.

    By exp(bend) more at the lowest frequencies, and by as much less from MOVES_BELOW_HZ on.
    """
    spectra = _spectra(samples)  # [frames, bins]
    envelopes = _envelopes(spectra)
    sources = _sources(length, bend)
    below = np.floor(sources).astype(np.int64).clip(0, envelopes.shape[1] - 2)
    share = sources - below
    moved = envelopes[:, below] * (1 - share) + envelopes[:, below + 1] * share
    gains = np.exp(np.clip(moved - envelopes, -MOST_GAIN, MOST_GAIN))
    sound = _samples(spectra * gains, len(samples))
    before, after = (np.sqrt(np.mean(np.square(x)) + 1e-12) for x in (samples, sound))
    return np.asarray(sound * (before / after), np.float32)


def _sources(length: float, bend: float) -> NDArray[np.float64]:
    """For each bin of the new spectrum the place [bins] in the old one that it is read from."""
    hz = np.fft.rfftfreq(WINDOW, 1 / SAMPLE_RATE_HZ)
    moves = np.clip((STAYS_FROM_HZ - hz) / (STAYS_FROM_HZ - MOVES_BELOW_HZ), 0, 1)
    ratio = length + bend * np.cos(np.pi * np.minimum(hz / MOVES_BELOW_HZ, 1))
    return np.asarray(hz * np.exp(-moves * ratio) * WINDOW / SAMPLE_RATE_HZ)


def _hann() -> NDArray[np.float64]:
    # Periodic: its squares at this hop add up to a constant.
    return np.asarray(np.hanning(WINDOW + 1)[:-1])


def _spectra(samples: Samples) -> NDArray[np.complex128]:
    padded = np.pad(samples, (WINDOW, 2 * WINDOW))
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    return np.fft.rfft(frames * _hann(), axis=1)


def _envelopes(spectra: NDArray[np.complex128]) -> NDArray[np.float64]:
    """The smooth part of each log spectrum but for a constant, [frames, bins]."""
    correlation = np.fft.irfft(np.abs(spectra) ** 2, axis=1)[:, : POLES + 1]
    correlation[:, 0] = correlation[:, 0] * (1 + FLOOR) + 1e-9
    inverse = np.fft.rfft(_predictor(correlation), WINDOW, axis=1)
    return np.asarray(-np.log(np.abs(inverse)))


def _predictor(correlation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Durbin's recursion: the prediction error's filter [frames, poles + 1] of each frame."""
    filters = np.zeros_like(correlation)
    filters[:, 0] = 1.0
    error = correlation[:, 0].copy()
    for order in range(1, correlation.shape[1]):
        ahead = np.sum(filters[:, :order] * correlation[:, order:0:-1], axis=1)
        reflection = -ahead / error
        filters[:, 1 : order + 1] += reflection[:, None] * filters[:, order - 1 :: -1]
        error *= 1 - reflection**2
    return filters


def _samples(spectra: NDArray[np.complex128], count: int) -> NDArray[np.float64]:
    frames = np.fft.irfft(spectra, axis=1) * _hann()
    total = np.zeros((len(frames) - 1) * HOP + WINDOW)
    for part in range(WINDOW // HOP):
        piece = frames[:, part * HOP : (part + 1) * HOP].ravel()
        total[part * HOP : part * HOP + len(piece)] += piece
    level = np.sum(np.square(_hann())) / HOP
    return np.asarray(total[WINDOW : WINDOW + count] / level)
