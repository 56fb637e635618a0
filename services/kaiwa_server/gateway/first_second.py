"""What the first second of the user's sound was like: where a wrong format shows."""

import numpy as np

from kaiwa_server.audio import SAMPLE_RATE_HZ
from kaiwa_server.gateway.outputs import AudioReport
from kaiwa_server.gateway.user_sound import Samples

PIECE_SAMPLES = SAMPLE_RATE_HZ // 100
SILENCE_BELOW_RMS = 10 ** (-60 / 20)
CLIPPED_FROM = 0.999
LEAST_RMS = 1e-6  # -120 dBFS
# In less time than this a second of sound is no recording: it comes from a file.
LEAST_SPAN_S = 0.25


class FirstSecond:
    """Listens to the first second of sound."""

    def __init__(self) -> None:
        self._pieces: list[Samples] = []
        self._samples = 0
        self._began_s = 0.0
        self._done = False

    def hear(self, samples: Samples, now_s: float, step: int) -> AudioReport | None:
        """Takes the next piece of sound, float32 [n]; gives the report, once, after a second."""
        if self._done:
            return None
        if not self._pieces:
            self._began_s = now_s
        self._pieces.append(samples)
        self._samples += len(samples)
        if self._samples < SAMPLE_RATE_HZ:
            return None
        sound = np.concatenate(self._pieces)
        # What came with the first piece was recorded before the time that is measured here.
        rate_hz = _rate_hz(len(sound) - len(self._pieces[0]), now_s - self._began_s)
        self._done = True
        self._pieces.clear()
        return _report(sound[:SAMPLE_RATE_HZ], rate_hz, step)


def _rate_hz(samples: int, span_s: float) -> int:
    return round(samples / span_s) if span_s >= LEAST_SPAN_S else 0


def _report(sound: Samples, rate_hz: int, step: int) -> AudioReport:
    power = np.square(sound, dtype=np.float64)
    pieces_rms = np.sqrt(power.reshape(-1, PIECE_SAMPLES).mean(axis=1))
    return AudioReport(
        step=step,
        rate_hz=rate_hz,
        rms_dbfs=20 * float(np.log10(max(np.sqrt(power.mean()), LEAST_RMS))),
        silence_share=float((pieces_rms < SILENCE_BELOW_RMS).mean()),
        clipped_share=float((np.abs(sound) >= CLIPPED_FROM).mean()),
    )
