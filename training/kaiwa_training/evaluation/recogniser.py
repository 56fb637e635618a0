"""A general speech recogniser that knows nothing of Moshi: PocketSphinx with its own US English.

Its dictionary has no "Moshi", so that the name counts as an error in every voice, the original one
too.
"""

import importlib
from typing import Any

import numpy as np
import soxr
from kaiwa_server.audio import SAMPLE_RATE_HZ

from kaiwa_training.evaluation.clips import Samples, speech_of
from kaiwa_training.evaluation.errors import EvaluationError

_RATE_HZ = 16_000
_MARGIN_S = 0.15
_PEAK = 0.5


class Recogniser:
    """Reads what is said, half a second to one second of a core for each sentence.

    Raises:
        EvaluationError: PocketSphinx is not installed.
    """

    def __init__(self) -> None:
        try:
            pocketsphinx = importlib.import_module("pocketsphinx")
        except ModuleNotFoundError as error:
            text = "reading speech needs PocketSphinx: pip install pocketsphinx"
            raise EvaluationError(text) from error
        # Normalised over each sentence by itself, so that no reading depends on those before it.
        self._decoder: Any = pocketsphinx.Decoder(loglevel="FATAL", cmn="batch")

    def read(self, samples: Samples) -> str:
        """The words in float32 [n] of 24 kHz, in lower case; "" where there are none.

        Voices of every level and with any silence around them are read alike.
        """
        speech = speech_of(samples)
        if len(speech) == 0 or not np.any(speech):
            return ""
        margin = round(_MARGIN_S * SAMPLE_RATE_HZ)
        level = speech * (_PEAK / np.abs(speech).max())
        heard = soxr.resample(np.pad(level, margin), SAMPLE_RATE_HZ, _RATE_HZ)
        self._decoder.start_utt()
        self._decoder.process_raw((heard * 32767).astype("<i2").tobytes(), full_utt=True)
        self._decoder.end_utt()
        best = self._decoder.hyp()
        return str(best.hypstr) if best is not None else ""
