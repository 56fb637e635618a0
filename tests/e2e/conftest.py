"""What the model is asked in the end-to-end tests."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

FRAME_SAMPLES = 1920
QUESTIONS = Path(__file__).parents[2] / "clients/python/kaiwa/questions"


def sound_of(name: str) -> NDArray[np.float32]:
    samples, rate_hz = soundfile.read(QUESTIONS / name, dtype="float32")
    assert rate_hz == 24_000
    return samples


def silence(seconds: float) -> NDArray[np.float32]:
    return np.zeros(int(seconds * 24_000), np.float32)


@pytest.fixture(scope="session")
def conversation_frames() -> NDArray[np.float32]:
    """The user's side of a conversation of 18 s, [T, 1920]: silence while it greets, two questions.

    It is longer than the embedded model's context of 160 steps, so that its ring wraps.
    """
    name, joke = sound_of("what-is-your-name.wav"), sound_of("tell-me-a-joke.wav")
    sound = np.concatenate([silence(3.5), name, silence(5.0), joke, silence(6.5)])
    return sound[: len(sound) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
