"""The two shapes that sound has inside Kaiwa: a frame of samples and a frame of tokens."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HZ = 24_000
FRAME_RATE_HZ = 12.5
FRAME_SAMPLES = 1_920
FRAME_MS = 80


@dataclass(frozen=True, slots=True)
class PcmFrame:
    """80 ms of sound: `samples` is float32 [1920] in [-1, 1], mono, 24 kHz."""

    index: int
    samples: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class CodeFrame:
    """80 ms of sound as one token in each codebook, semantic first."""

    index: int
    tokens: tuple[int, ...]
