"""SVOX Pico, loaded as a library. It tells no times: those come from another voice's recording."""

from collections.abc import Iterator, Sequence

import numpy as np
import ttspico

from kaiwa_training.speech.alignment import carried_over
from kaiwa_training.speech.flite import Flite
from kaiwa_training.speech.speech import Speech, Utterance, Voice, to_24_khz

_RATE_HZ = 16_000
_NORMAL = 100
_RATES, _PITCHES = (20, 500), (50, 200)
_UNCLIPPED = 50
"""The volume at which no sample is; at 100 nearly every recording has some that are."""
_TIMED = Voice("flite", "kal16", pitch_hz=95.0)


class Pico:
    """The voices en-US and en-GB of the Pico library."""

    def __init__(self) -> None:
        """Raises:
        FliteMissing: flite, whose times are carried over, is not there.
        """
        self._flite = Flite()

    def say(self, utterances: Sequence[Utterance]) -> Iterator[Speech]:
        """Gives the speech of each utterance.

        Raises:
            ValueError: Pico has no such voice.
        """
        timed = self._flite.say([Utterance(said.text, _TIMED, said.rate) for said in utterances])
        for utterance, speech in zip(utterances, timed, strict=True):
            yield self._say(utterance, speech)

    def _say(self, utterance: Utterance, timed: Speech) -> Speech:
        engine = _engine(utterance.voice.name)
        engine.rate = int(np.clip(round(_NORMAL * utterance.rate), *_RATES))
        engine.pitch = int(np.clip(round(_NORMAL * utterance.pitch), *_PITCHES))
        engine.volume = _UNCLIPPED
        pcm = np.frombuffer(engine.speak(utterance.text), "<i2")
        return carried_over(timed, to_24_khz(pcm, _RATE_HZ))


def _engine(name: str) -> ttspico.TtsEngine:
    """Gives a fresh engine: one that has spoken goes on from where it was."""
    try:
        return ttspico.TtsEngine(name)
    except RuntimeError as error:
        raise ValueError(f"Pico has no voice {name}") from error
