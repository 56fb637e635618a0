"""The picture of a conversation."""

from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from kaiwa.cli.errors import CannotDo
from kaiwa.cli.measure import figures_of
from kaiwa.cli.microphone import Recorded
from kaiwa.cli.plot import draw, envelope, plot, rows_of
from kaiwa.cli.recording import HeardFrame, Recording
from kaiwa.cli.script import Question
from kaiwa.cli.words import Word
from kaiwa.events import FramesDropped, Ready, Text

READY = Ready("s-1", 7, "fake-moshi", "ab" * 32, 3000)


def recording(seconds: float) -> Recording:
    """Noise on both sides, a word every 160 ms, a delay of 175 ms."""
    noise = np.random.default_rng(0)
    made = Recording(READY, 0, (Question("question.wav", 0.5, 1.5),))
    for packet in range(int(seconds / 0.02)):
        samples = noise.normal(0, 0.1, 480).astype(np.float32)
        made.spoken.append(Recorded(samples, 10 + packet * 0.02))
    for frame in range(int(seconds / 0.08)):
        samples = noise.normal(0, 0.1, 1920).astype(np.float32)
        made.heard.append(HeardFrame(frame, samples, 10 + (frame + 1) * 0.08 + 0.015))
    for step in range(2, int(seconds / 0.08), 2):
        made.pieces.append(Text("extraordinarily", True, step, step * 80))
    return made


def test_a_picture_of_a_conversation_is_not_blank(tmp_path: Path) -> None:
    made = recording(4)
    made.drops.append(FramesDropped(20, 2, 2))
    plot(tmp_path / "talk.png", made, figures_of(made))
    pixels = matplotlib.image.imread(tmp_path / "talk.png")[:, :, :3]
    height, width, _ = pixels.shape
    assert width > 1_200 and height > 500
    inked = (pixels.min(axis=2) < 0.9).mean()
    assert 0.02 < inked < 0.6


def test_a_long_conversation_keeps_a_size_that_can_be_opened() -> None:
    made = recording(300)
    width, _ = draw(made, figures_of(made)).get_size_inches()
    assert width == 48


def test_a_conversation_that_was_cut_off_at_once_can_be_drawn(tmp_path: Path) -> None:
    made = Recording(READY, 60)
    plot(tmp_path / "talk.svg", made, figures_of(made))
    assert (tmp_path / "talk.svg").stat().st_size > 1_000


def test_words_with_signs_of_formulas_are_words(tmp_path: Path) -> None:
    made = recording(1)
    made.pieces = [Text("$5_000", True, 1, 80), Text("$", True, 3, 240), Text("", True, 5, 400)]
    plot(tmp_path / "talk.png", made, figures_of(made))
    assert (tmp_path / "talk.png").read_bytes().startswith(b"\x89PNG")


def test_a_format_that_is_not_known_cannot_be_drawn(tmp_path: Path) -> None:
    made = recording(1)
    with pytest.raises(CannotDo, match=r"cannot write .*talk\.xyz"):
        plot(tmp_path / "talk.xyz", made, figures_of(made))


def test_words_that_would_touch_go_to_another_row() -> None:
    words = [Word("extraordinarily", at_s) for at_s in (0.0, 0.1, 0.2, 5.0)]
    assert rows_of(words, seconds_per_inch=1.0) == [0, 1, 2, 0]


def test_the_envelope_keeps_every_peak() -> None:
    samples = np.zeros(10_001, np.float32)
    samples[5_000], samples[10_000] = 1.0, -1.0
    low, high = envelope(samples, bins=100)
    assert len(low) == len(high) <= 100
    assert high.max() == 1.0 and low[-1] == -1.0
