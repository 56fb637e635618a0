"""SVOX Pico, loaded as a library. It tells no times."""

from collections.abc import Iterator, Sequence

import numpy as np
import ttspico
from numpy.typing import NDArray

from kaiwa_training.speech.borrowed_times import BorrowedTimes
from kaiwa_training.speech.speech import Speech, Utterance, to_24_khz

_RATE_HZ = 16_000
_NORMAL = 100
_RATES, _PITCHES = (20, 500), (50, 200)
_UNCLIPPED = 50
"""The volume at which no sample is; at 100 nearly every recording has some that are."""


class Pico:
    """The voices en-US and en-GB of the Pico library."""

    def __init__(self) -> None:
        """Raises:
        FliteMissing: flite, whose times are borrowed, is not there.
        """
        self._times = BorrowedTimes()

    def say(self, utterances: Sequence[Utterance]) -> Iterator[Speech]:
        """Gives the speech of each utterance.

        Raises:
            ValueError: Pico has no such voice.
        """
        return self._times.of(utterances, map(_said, utterances))


def _said(utterance: Utterance) -> NDArray[np.float32]:
    engine = _engine(utterance.voice.name)
    engine.rate = int(np.clip(round(_NORMAL * utterance.rate), *_RATES))
    engine.pitch = int(np.clip(round(_NORMAL * utterance.pitch), *_PITCHES))
    engine.volume = _UNCLIPPED
    return to_24_khz(np.frombuffer(engine.speak(utterance.text), "<i2"), _RATE_HZ)


def _engine(name: str) -> ttspico.TtsEngine:
    """Gives a fresh engine: one that has spoken goes on from where it was."""
    try:
        return ttspico.TtsEngine(name)
    except RuntimeError as error:
        raise ValueError(f"Pico has no voice {name}") from error
