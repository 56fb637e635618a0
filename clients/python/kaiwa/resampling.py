"""Sound of one sample rate at another, piece by piece, with little delay.

A polyphase filter: zeros lie between the samples of what comes in, a low-pass filter fills them,
and of what it gives only the samples that are wanted are computed. The filter is a sinc under a
Kaiser window (Oppenheim and Schafer, Discrete-Time Signal Processing, section 7.5). Its phase is
linear: all frequencies are late by the same time.

The soxr library gives nothing for up to 73 ms of sound in packets of 20 ms (quality HQ; LQ 40 ms),
which a conversation cannot spare.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray

# The filter sees this many samples of the lower rate to each side of its middle. That is its delay,
# 3 ms at 8 kHz, and how steeply it falls: by 60 dB from 0.85 to 1.0 of half the lower rate.
REACH_SAMPLES = 24
_KAISER_BETA = 5.65
_CUTOFF = 0.925


class Resampler:
    """Turns sound of one rate into another's.

    However the sound is cut into pieces, the same samples come out, and of n samples that have gone
    in there have come out n x to_hz / from_hz, rounded up: none is held back, none is lost.

    Args:
        from_hz: the rate of what comes in.
        to_hz: the rate of what goes out.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        common = math.gcd(from_hz, to_hz)
        self._up, self._down = to_hz // common, from_hz // common
        self._filters = _polyphase_filters(self._up, self._down)  # [up, taps]
        self._heard = np.zeros(self._filters.shape[1] - 1, np.float32)
        self._next = 0  # the next sample out, in steps of 1 / (from_hz x up) from the piece's start
        self.delay_s = 0.0 if from_hz == to_hz else REACH_SAMPLES / min(from_hz, to_hz)
        """By how much later the sound is in what goes out."""

    def resample(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Gives what float32 [n] becomes: float32 in [-1, 1]; equal rates leave it as it is."""
        if self._up == self._down or not len(samples):
            return samples
        sound = np.concatenate([self._heard, samples])
        taps = self._filters.shape[1]
        places = np.arange(self._next, len(samples) * self._up, self._down)
        windows = np.lib.stride_tricks.sliding_window_view(sound, taps)  # [n, taps]
        filtered: NDArray[np.float32] = np.einsum(
            "ot,ot->o", windows[places // self._up], self._filters[places % self._up]
        )
        self._next += len(places) * self._down - len(samples) * self._up
        self._heard = sound[len(sound) - (taps - 1) :]
        # The filter swings a little over what is at full scale.
        return filtered.clip(-1.0, 1.0)


@functools.cache
def _polyphase_filters(up: int, down: int) -> NDArray[np.float32]:
    """Gives the filter's taps for each of the `up` places between two samples: [up, taps].

    Taps are in the order of the sound, oldest first.
    """
    lower = max(up, down)  # how many of the filter's steps make a sample of the lower rate
    reach = REACH_SAMPLES * lower
    steps = np.arange(-reach, reach + 1)
    taps = np.sinc(steps * _CUTOFF / lower) * np.kaiser(len(steps), _KAISER_BETA)
    taps *= up / taps.sum()
    padded = np.pad(taps, (0, -len(taps) % up))
    return padded.reshape(-1, up).T[:, ::-1].astype(np.float32)
