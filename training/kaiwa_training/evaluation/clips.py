"""What callers say: clips of speech, and how a fair choice of them is made."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from kaiwa_server.audio import SAMPLE_RATE_HZ
from numpy.typing import NDArray

Samples = NDArray[np.float32]

_WINDOW_SAMPLES = SAMPLE_RATE_HZ // 100
_SILENT_BELOW = 10 ** (-40 / 20)


@dataclass(frozen=True)
class Clip:
    """A sentence in one voice: `samples` is float32 [n] in [-1, 1], mono, 24 kHz."""

    name: str
    """Names the clip among all others, whatever is chosen."""
    samples: Samples
    text: str
    voice: str
    engine: str
    kind: int
    intent: str


def speech_of(samples: Samples) -> Samples:
    """The samples without the silence before and after them.

    Silent is what stays 40 dB under the loudest 10 ms.
    """
    windows = len(samples) // _WINDOW_SAMPLES
    if windows == 0:
        return samples
    cut = samples[: windows * _WINDOW_SAMPLES].reshape(windows, _WINDOW_SAMPLES)
    loudness = np.sqrt(np.mean(np.square(cut), axis=1))
    loud = np.flatnonzero(loudness > _SILENT_BELOW * loudness.max())
    if len(loud) == 0:
        return samples[:0]
    return samples[loud[0] * _WINDOW_SAMPLES : (loud[-1] + 1) * _WINDOW_SAMPLES]


def rms_of(samples: Samples) -> float:
    """The level of the samples; 0 for none."""
    return float(np.sqrt(np.mean(np.square(samples)))) if len(samples) else 0.0


def choose_evenly(
    groups: Sequence[tuple[str, str]], count: int, rng: np.random.Generator
) -> list[int]:
    """Chooses `count` clips by their (engine, intent): every engine gives as many.

    Within an engine the intents keep their shares. An engine with too few clips gives all of them.
    """
    by_engine: dict[str, list[int]] = defaultdict(list)
    for index in rng.permutation(len(groups)):
        by_engine[groups[index][0]].append(int(index))
    chosen: list[int] = []
    for number, engine in enumerate(sorted(by_engine)):
        share = count // len(by_engine) + (number < count % len(by_engine))
        indexes = sorted(by_engine[engine], key=lambda index: groups[index][1])
        places = (np.arange(share) + rng.random()) * len(indexes) / max(share, 1)
        chosen += indexes if share >= len(indexes) else [indexes[int(place)] for place in places]
    return chosen
