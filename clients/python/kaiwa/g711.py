"""G.711, the telephone's coding (ITU-T G.711): one byte for a sample, 8,000 samples in a second.

Both of its laws write a sample as a sign (1 bit), a segment (3 bits) and a place in the segment (4
bits). Each segment is twice as wide as the one below it, so that the noise stays some 38 dB below
the sound, loud or soft.
"""

from __future__ import annotations

import functools
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Law: TypeAlias = Literal["mulaw", "alaw"]

SAMPLE_RATE_HZ = 8_000

_FULL_SCALE = 32_768
_BIAS = 33  # G.711, table 2: it makes the lowest segment of mu-law begin at a power of two
_MULAW_MAX = 8_191 - _BIAS
_SEGMENT, _PLACE = 0x70, 0x0F


class G711:
    """Turns mono sound at 8 kHz into bytes and back; it remembers nothing.

    Args:
        law: "mulaw" (North America, Japan) or "alaw" (elsewhere).
    """

    sample_bytes = 1

    def __init__(self, law: Law) -> None:
        self._bytes, self._samples = _tables(law)

    def encode(self, samples: NDArray[np.float32]) -> bytes:
        """Gives the bytes of float32 [n] in [-1, 1]; what is louder is clipped."""
        integers = np.round(samples.clip(-1.0, 1.0) * (_FULL_SCALE - 1)).astype(np.int64)
        return self._bytes[integers + _FULL_SCALE].tobytes()

    def decode(self, data: bytes) -> NDArray[np.float32]:
        """Gives the samples of n bytes: float32 [n] in [-1, 1]."""
        return self._samples[np.frombuffer(data, np.uint8)]


@functools.cache
def _tables(law: Law) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Gives the byte of each 16-bit integer, from -32,768 on, and the sample of each byte."""
    integers = np.arange(-_FULL_SCALE, _FULL_SCALE)
    codes = np.arange(256)
    if law == "mulaw":
        bytes_, samples = _mulaw_bytes(integers), _mulaw_integers(codes)
    else:
        bytes_, samples = _alaw_bytes(integers), _alaw_integers(codes)
    return bytes_.astype(np.uint8), (samples / _FULL_SCALE).astype(np.float32)


def _mulaw_bytes(integers: NDArray[np.int64]) -> NDArray[np.int64]:
    values = integers >> 2  # mu-law has 14 bits
    magnitudes: NDArray[np.int64] = np.minimum(np.abs(values), _MULAW_MAX) + _BIAS
    segments = _bit_length(magnitudes) - 6
    places = (magnitudes >> (segments + 1)) & _PLACE
    # Every bit is sent inverted.
    return (segments << 4 | places) ^ np.where(values < 0, 0x7F, 0xFF)


def _mulaw_integers(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    bits = codes ^ 0xFF
    segments, places = (bits & _SEGMENT) >> 4, bits & _PLACE
    magnitudes = ((2 * places + _BIAS) << segments) - _BIAS
    values: NDArray[np.int64] = np.where(bits & 0x80, -magnitudes, magnitudes)
    return values << 2


def _alaw_bytes(integers: NDArray[np.int64]) -> NDArray[np.int64]:
    values = integers >> 3  # A-law has 13 bits
    magnitudes = np.where(values < 0, ~values, values)
    segments = np.maximum(_bit_length(magnitudes) - 5, 0)
    places = (magnitudes >> np.maximum(segments, 1)) & _PLACE
    # Every other bit is sent inverted, and the sign is set for what is not negative.
    return (segments << 4 | places) ^ np.where(values < 0, 0x55, 0xD5)


def _alaw_integers(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    bits = codes ^ 0x55
    segments, places = (bits & _SEGMENT) >> 4, bits & _PLACE
    low = 2 * places + 1
    magnitudes = np.where(segments == 0, low, (low + 32) << np.maximum(segments - 1, 0))
    values: NDArray[np.int64] = np.where(bits & 0x80, magnitudes, -magnitudes)
    return values << 3


def _bit_length(magnitudes: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.frexp(magnitudes)[1].astype(np.int64)
