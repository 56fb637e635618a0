"""Bare samples in messages, PCM or G.711: their bytes to sound at 24 kHz and back."""

from typing import Protocol

import numpy as np
from kaiwa.resampling import Resampler
from numpy.typing import NDArray

from kaiwa_server.audio import SAMPLE_RATE_HZ
from kaiwa_server.errors import BadFrame, PacketTooLarge

MAX_MESSAGE_MS = 120
# Above this a sample is no loud sound but an integer that was written as a float.
MAX_FLOAT_SAMPLE = 16.0


class SampleCoder(Protocol):
    """Writes samples as bytes and reads them again, each for itself, whatever their rate."""

    sample_bytes: int

    def encode(self, samples: NDArray[np.float32]) -> bytes:
        """Gives the bytes of float32 [n] in [-1, 1]."""

    def decode(self, data: bytes) -> NDArray[np.float32]:
        """Gives the samples of whole samples' bytes: float32 [n] in [-1, 1]."""


class Integers:
    """16-bit signed integers, little-endian."""

    sample_bytes = 2

    def encode(self, samples: NDArray[np.float32]) -> bytes:
        """Gives the bytes of float32 [n]; what is outside [-1, 1] is clipped."""
        return np.round(samples.clip(-1.0, 1.0) * 32_767).astype("<i2").tobytes()

    def decode(self, data: bytes) -> NDArray[np.float32]:
        """Gives the samples."""
        return np.frombuffer(data, "<i2").astype(np.float32) / np.float32(32_768)


class Floats:
    """32-bit floats, little-endian."""

    sample_bytes = 4

    def encode(self, samples: NDArray[np.float32]) -> bytes:
        """Gives the bytes of float32 [n] in [-1, 1]."""
        return samples.astype("<f4").tobytes()

    def decode(self, data: bytes) -> NDArray[np.float32]:
        """Gives the samples; those a little outside [-1, 1] are clipped.

        Raises:
            BadFrame: a sample that is not a sound.
        """
        samples = np.frombuffer(data, "<f4").astype(np.float32)
        # NaN compares as False, so this finds it too.
        if not (np.abs(samples) <= MAX_FLOAT_SAMPLE).all():
            raise BadFrame(
                "a sample is NaN, infinite or far outside [-1, 1]: "
                "send 32-bit floats in [-1, 1], or 16-bit integers as PCM_S16LE"
            )
        return samples.clip(-1.0, 1.0)


class PcmDecoder:
    """Decodes messages of bare samples, at most 120 ms each.

    Args:
        name: what error texts call the coding.
        coder: reads its bytes.
        sample_rate_hz: the rate at which the client samples.
    """

    def __init__(self, name: str, coder: SampleCoder, sample_rate_hz: int) -> None:
        self._name = name
        self._coder = coder
        self._max_samples = sample_rate_hz * MAX_MESSAGE_MS // 1000
        self._resampler = Resampler(sample_rate_hz, SAMPLE_RATE_HZ)

    def decode(self, data: bytes) -> NDArray[np.float32]:
        """Gives the sound of one message: float32 [n] in [-1, 1], at 24 kHz.

        Raises:
            BadFrame: not a whole number of samples, or a sample that is not a sound.
            PacketTooLarge: over 120 ms.
        """
        size = self._coder.sample_bytes
        if len(data) % size:
            raise BadFrame(
                f"{len(data)} bytes are not a whole number of samples: "
                f"{self._name} has {size} bytes in each"
            )
        if len(data) > self._max_samples * size:
            raise PacketTooLarge(
                f"a message has at most {self._max_samples} samples ({MAX_MESSAGE_MS} ms), "
                f"this one has {len(data) // size}: send sound as it is recorded"
            )
        return self._resampler.resample(self._coder.decode(data))

    @property
    def max_message_bytes(self) -> int:
        """How many bytes 120 ms are: whole samples."""
        return self._max_samples * self._coder.sample_bytes


class PcmEncoder:
    """Writes frames as bare samples.

    Args:
        coder: writes their bytes.
        sample_rate_hz: the rate that the client wants.
    """

    def __init__(self, coder: SampleCoder, sample_rate_hz: int) -> None:
        self._coder = coder
        self._resampler = Resampler(SAMPLE_RATE_HZ, sample_rate_hz)

    def encode(self, samples: NDArray[np.float32]) -> bytes:
        """Gives the bytes of float32 [n] at 24 kHz; 80 ms stay 80 ms."""
        return self._coder.encode(self._resampler.resample(samples))
