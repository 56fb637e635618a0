"""What the model is asked in the end-to-end tests."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from e2e.talking import frames_of, silence
from numpy.typing import NDArray

QUESTIONS = Path(__file__).parents[2] / "clients/python/kaiwa/questions"


def sound_of(name: str) -> NDArray[np.float32]:
    samples, rate_hz = soundfile.read(QUESTIONS / name, dtype="float32")
    assert rate_hz == 24_000
    return samples


@pytest.fixture(scope="session")
def conversation_frames() -> NDArray[np.float32]:
    """The user's side of a conversation of 18 s, [T, 1920]: silence while it greets, two questions.

    It is longer than the embedded model's context of 160 steps, so that its ring wraps.
    """
    name, joke = sound_of("name.wav"), sound_of("joke.wav")
    return frames_of(silence(3.5), name, silence(5.0), joke, silence(6.5))
