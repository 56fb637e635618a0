"""When a voice can be heard."""

import numpy as np
from numpy.typing import NDArray

from kaiwa_server.gateway.outputs import SpeakingStarted, SpeakingStopped

# A codec's silence is some -60 dB of full scale, and speech some -20; between the two thresholds
# nothing changes.
STARTS_ABOVE_RMS = 10 ** (-40 / 20)
STOPS_BELOW_RMS = 10 ** (-46 / 20)
# 400 ms: longer than the pause between two words.
STOPS_AFTER_FRAMES = 5


class SpeechActivity:
    """Tells from the level of a voice when it starts and when it has stopped."""

    def __init__(self) -> None:
        self._speaks = False
        self._quiet_frames = 0

    def hear(
        self, frame: NDArray[np.float32], step: int
    ) -> SpeakingStarted | SpeakingStopped | None:
        """Takes the next frame, float32 [n], of this step; gives what has changed with it.

        The voice has stopped with the first of five quiet frames, which is the step that is told.
        """
        rms = float(np.sqrt(np.mean(np.square(frame))))
        if not self._speaks:
            self._speaks = rms > STARTS_ABOVE_RMS
            return SpeakingStarted(step) if self._speaks else None
        self._quiet_frames = self._quiet_frames + 1 if rms < STOPS_BELOW_RMS else 0
        if self._quiet_frames < STOPS_AFTER_FRAMES:
            return None
        self._speaks, self._quiet_frames = False, 0
        return SpeakingStopped(step - STOPS_AFTER_FRAMES + 1)
