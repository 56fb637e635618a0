"""Times for engines that tell none: those of another voice's recording of the same text."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kaiwa_training.speech.alignment import carried_over
from kaiwa_training.speech.flite import Flite
from kaiwa_training.speech.phones import SILENCE, UNKNOWN
from kaiwa_training.speech.speech import SAMPLE_RATE_HZ, Speech, Timed, Utterance, Voice

_TIMED = Voice("flite", "kal16", pitch_hz=95.0)
_PAUSE = 0.01
"""The most power that a pause has, against the mean of all that is said."""


class BorrowedTimes:
    """Has each text said by a voice that tells its times, too."""

    def __init__(self) -> None:
        """Raises:
        FliteMissing: flite, whose times are carried over, is not there.
        """
        self._flite = Flite()

    def of(
        self, utterances: Sequence[Utterance], said: Iterable[NDArray[np.float32]]
    ) -> Iterator[Speech]:
        """Gives recordings [n] at 24 kHz of utterances with the times of their phones and words."""
        timed = self._flite.say([Utterance(text.text, _TIMED, text.rate) for text in utterances])
        for samples, speech in zip(said, timed, strict=True):
            yield without_false_pauses(carried_over(speech, samples))


def without_false_pauses(speech: Speech) -> Speech:
    """The same with pauses that the other voice alone has made, so that they sound, as unknown."""

    def power(start_s: float, end_s: float) -> float:
        part = speech.samples[int(start_s * SAMPLE_RATE_HZ) : int(end_s * SAMPLE_RATE_HZ)]
        return float(np.sum(part**2)) / max(1, len(part))

    spoken = [power(start_s, end_s) for phone, start_s, end_s in speech.phones if phone != SILENCE]
    most = _PAUSE * float(np.mean(spoken)) if spoken else np.inf

    def heard(phone: int, start_s: float, end_s: float) -> Timed:
        sounds = phone == SILENCE and power(start_s, end_s) > most
        return UNKNOWN if sounds else phone, start_s, end_s

    return replace(speech, phones=tuple(heard(*timed) for timed in speech.phones))
