"""What is heard where the user's sound is missing."""

from collections.abc import Callable

import numpy as np

from kaiwa_server.audio import FRAME_SAMPLES
from kaiwa_server.gateway.user_sound import Samples

# Gives a decoder's guess at so many samples of lost sound.
Guess = Callable[[int], Samples]

# A guess at more than this is a drone: people do not hold a vowel for so long.
MAX_GUESSED_FRAMES = 3
FADE_SAMPLES = 120  # 5 ms, which no ear takes for a click


class Concealment:
    """Fills gaps: with a decoder's guess for 240 ms, which fades out, and then with silence.

    Args:
        guess: what a decoder that can conceal gives; without one a gap is silent from its start.
    """

    def __init__(self, guess: Guess | None) -> None:
        self._guess = guess
        self._gap_frames = 0
        self._last_sample = np.float32(0)

    def fill(self) -> Samples:
        """Gives the next frame of a gap: float32 [1920]."""
        self._gap_frames += 1
        if self._guess is None or self._gap_frames > MAX_GUESSED_FRAMES:
            frame = np.zeros(FRAME_SAMPLES, np.float32)
            frame[:FADE_SAMPLES] = self._last_sample * _ramp(FADE_SAMPLES)[::-1]
        else:
            frame = self._guess(FRAME_SAMPLES)
            if self._gap_frames == MAX_GUESSED_FRAMES:
                frame = frame * _ramp(FRAME_SAMPLES)[::-1]
        self._last_sample = frame[-1]
        return frame

    def pass_on(self, frame: Samples) -> Samples:
        """Gives a frame that is there, float32 [1920]; the first after a gap fades in."""
        self._last_sample = frame[-1]
        if not self._gap_frames:
            return frame
        self._gap_frames = 0
        return np.concatenate([frame[:FADE_SAMPLES] * _ramp(FADE_SAMPLES), frame[FADE_SAMPLES:]])


def _ramp(samples: int) -> Samples:
    return np.linspace(0, 1, samples, dtype=np.float32)
