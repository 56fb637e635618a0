"""Carries the times of phones and words from one recording of a text over to another.

Both are cut into frames of mel cepstra, and a dynamic time warp (Sakoe and Chiba, 1978) finds
which frame of the one was spoken when.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct

from kaiwa_training.speech.speech import SAMPLE_RATE_HZ, Speech, Timed

_HOP = SAMPLE_RATE_HZ // 100
_WINDOW = 600
_FFT = 1024
_MELS, _CEPSTRA = 30, 13
_HZ = (60.0, 7000.0)
_FLOOR = 1e-5
"""What is added to every band's power, against that of the speech: it makes silences alike."""
_SPOKEN = 10**-3.5
_DELTA_FRAMES = 2
_STRAY = 0.4
"""What a step costs in which only one of the two goes on, against a mean distance."""

_BOTH, _FIRST, _SECOND = 0, 1, 2

Frames = NDArray[np.float64]


def carried_over(speech: Speech, samples: NDArray[np.float32]) -> Speech:
    """Gives samples [n] at 24 kHz, which say what `speech` says, its phones and words in time."""
    path = _warp(_frames(speech.samples), _frames(samples))  # [steps, 2]
    steps = np.bincount(path[:, 0])
    then_s = (np.arange(len(steps)) + 0.5) * _HOP / SAMPLE_RATE_HZ
    now_s = (np.bincount(path[:, 0], path[:, 1]) / steps + 0.5) * _HOP / SAMPLE_RATE_HZ
    ends_s = (len(speech.samples) / SAMPLE_RATE_HZ, len(samples) / SAMPLE_RATE_HZ)
    from_s, to_s = (
        np.concatenate(([0.0], times_s, [end_s]))
        for times_s, end_s in zip((then_s, now_s), ends_s, strict=True)
    )

    def moved(at_s: float) -> float:
        return float(np.interp(at_s, from_s, to_s))

    phones: tuple[Timed, ...] = tuple((p, moved(a), moved(b)) for p, a, b in speech.phones)
    words = tuple((word, moved(a), moved(b)) for word, a, b in speech.words)
    return Speech(samples, phones, words)


def _frames(samples: NDArray[np.float32]) -> Frames:
    """Gives the mel cepstra and level of every 10 ms, and how they change, [frames, features]."""
    count = -(-len(samples) // _HOP)
    padded = np.pad(samples.astype(np.float64), ((_WINDOW - _HOP) // 2, _WINDOW))
    windows = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP][:count]
    power = np.abs(np.fft.rfft(windows * np.hanning(_WINDOW), _FFT)) ** 2  # [frames, bins]
    mels = power @ _filters().T
    mels = np.log(mels + np.quantile(mels.sum(axis=1), 0.95) / _MELS * _FLOOR)
    total = power.sum(axis=1)
    level = np.log(total + np.quantile(total, 0.95) * _FLOOR)
    cepstra = dct(mels, norm="ortho", axis=1)[:, 1:_CEPSTRA]
    spoken = level > level.max() + np.log(_SPOKEN)
    cepstra = (cepstra - cepstra[spoken].mean(axis=0)) / (cepstra[spoken].std() + 1e-9)
    level = (level - level[spoken].mean()) / (level.std() + 1e-9)
    still = np.column_stack((cepstra, 2 * level))
    around = np.pad(still, ((_DELTA_FRAMES, _DELTA_FRAMES), (0, 0)), "edge")
    change = around[2 * _DELTA_FRAMES :] - around[: -2 * _DELTA_FRAMES]
    return np.column_stack((still, change))


def _filters() -> Frames:
    """Gives triangles that are evenly spaced on the mel scale, [mels, bins]."""
    low_mel, high_mel = (2595 * np.log10(1 + hz / 700) for hz in _HZ)
    edges_mel = np.linspace(low_mel, high_mel, _MELS + 2)
    edges = 700 * (10 ** (edges_mel / 2595) - 1)
    hz = np.fft.rfftfreq(_FFT, 1 / SAMPLE_RATE_HZ)
    rising = [(hz - low) / (high - low) for low, high in pairwise(edges)]
    triangles: Frames = np.array([np.minimum(up, 1 - down) for up, down in pairwise(rising)])
    return triangles.clip(min=0)


def _warp(first: Frames, second: Frames) -> NDArray[np.int64]:
    """Gives the pairs of frames [steps, 2] on the cheapest way through both.

    The ways are followed side by side over the diagonals on which the two frames' sum is the same.
    """
    rows, columns = len(first), len(second)
    distance = _distances(first, second)
    stray = _STRAY * distance.mean()
    slanted = np.full((rows + columns - 1, rows), np.inf)
    row = np.arange(rows)[:, None]
    slanted[row + np.arange(columns), row] = distance
    came = np.zeros(slanted.shape, np.int8)
    before, last = np.full(rows + 1, np.inf), np.full(rows + 1, np.inf)
    last[1] = slanted[0, 0]
    for diagonal in range(1, len(slanted)):
        here = slanted[diagonal]
        both = before[:-1] + 2 * here
        one = last[:-1] + here + stray  # the first went on
        other = last[1:] + here + stray
        best = np.minimum(np.minimum(one, other), both)
        came[diagonal] = np.where(best == both, _BOTH, np.where(best == one, _FIRST, _SECOND))
        before, last = last, np.concatenate(([np.inf], best))
    return _way_back(came, rows - 1, columns - 1)


def _distances(first: Frames, second: Frames) -> Frames:
    squares = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1) - 2 * first @ second.T
    distances: Frames = np.sqrt(np.maximum(squares, 0))
    return distances


def _way_back(came: NDArray[np.int8], i: int, j: int) -> NDArray[np.int64]:
    path = [(i, j)]
    while i or j:
        step = came[i + j, i]
        i, j = i - (step != _SECOND), j - (step != _FIRST)
        path.append((i, j))
    return np.array(path[::-1], np.int64)
