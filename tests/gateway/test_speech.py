import numpy as np
from kaiwa_server.gateway.outputs import SpeakingStarted, SpeakingStopped
from kaiwa_server.gateway.speech import SpeechActivity
from numpy.typing import NDArray


def sound(dbfs: float) -> NDArray[np.float32]:
    """A frame of this level."""
    return np.full(1920, 10 ** (dbfs / 20), np.float32)


def changes(*levels_dbfs: float) -> list[SpeakingStarted | SpeakingStopped]:
    voice = SpeechActivity()
    told = [voice.hear(sound(level), step) for step, level in enumerate(levels_dbfs)]
    return [change for change in told if change]


def test_a_voice_starts_with_its_first_loud_frame() -> None:
    assert changes(-70, -70, -25, -20) == [SpeakingStarted(2)]


def test_it_stops_with_the_first_of_five_quiet_frames() -> None:
    assert changes(-20, -70, -70, -70, -70, -70) == [SpeakingStarted(0), SpeakingStopped(1)]


def test_a_pause_between_words_is_no_stop() -> None:
    assert changes(-20, -70, -70, -70, -70, -20, -70) == [SpeakingStarted(0)]


def test_it_can_start_again() -> None:
    levels = [-20, *[-70] * 6, -20]
    assert changes(*levels) == [SpeakingStarted(0), SpeakingStopped(1), SpeakingStarted(7)]


def test_the_noise_of_a_silent_codec_and_a_breath_are_no_voice() -> None:
    assert changes(-100, -60, -43) == []
