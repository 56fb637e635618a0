"""Of another voice's times those are taken that the sound bears out."""

import numpy as np
from kaiwa_training.speech.borrowed_times import without_false_pauses
from kaiwa_training.speech.phones import SILENCE, UNKNOWN
from kaiwa_training.speech.speech import SAMPLE_RATE_HZ, Speech


def test_a_pause_that_sounds_is_unknown_and_one_that_does_not_stays() -> None:
    loud = np.sin(np.arange(SAMPLE_RATE_HZ)).astype(np.float32)
    faint = 0.05 * loud
    phones = ((3, 0.0, 1.0), (SILENCE, 1.0, 2.0), (4, 2.0, 3.0), (SILENCE, 3.0, 4.0))
    speech = Speech(np.concatenate((loud, loud, loud, faint)), phones, ())
    found = [phone for phone, _, _ in without_false_pauses(speech).phones]
    assert found == [3, UNKNOWN, 4, SILENCE]


def test_what_is_nothing_but_silence_stays_so() -> None:
    speech = Speech(np.zeros(SAMPLE_RATE_HZ, np.float32), ((SILENCE, 0.0, 1.0),), ())
    assert without_false_pauses(speech) == speech
