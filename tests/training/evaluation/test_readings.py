"""Originals and copies are read alike."""

from pathlib import Path

import numpy as np
from kaiwa_training.evaluation.clips import Clip, Samples
from kaiwa_training.evaluation.readings import (
    errors_of,
    load_readings,
    read_copies,
    read_replies,
    write_readings,
)


class LoudnessReader:
    """Reads "hello you" in what is loud and "hello" in what is not."""

    def read(self, samples: Samples) -> str:
        return "hello you" if samples.max() > 0.5 else "hello"


class Halver:
    def copy(self, samples: Samples) -> Samples:
        return samples / 2


LOUD, FAINT = np.full(100, 0.8, np.float32), np.full(100, 0.2, np.float32)


def test_each_take_is_set_beside_the_original_of_its_text() -> None:
    takes = {"Hello you.": [LOUD, FAINT], "Never said.": [], "No original.": [LOUD]}
    originals = {"Hello you.": LOUD, "Never said.": LOUD}
    readings = list(read_replies(takes, originals, LoudnessReader()))
    assert [(r.original, r.copy) for r in readings] == [
        ("hello you", "hello you"),
        ("hello you", "hello"),
    ]
    before, after = errors_of(readings)
    assert (before.rate, after.rate) == (0, 0.25)


def test_a_copy_is_read_after_its_original() -> None:
    clips = [Clip("a", LOUD, "Hello you.", "slt", "flite", 7, "")]
    (reading,) = read_copies(clips, Halver(), LoudnessReader())
    assert (reading.voices, reading.original, reading.copy) == ("flite", "hello you", "hello")


def test_readings_are_kept(tmp_path: Path) -> None:
    clips = [Clip("a", LOUD, "Hello you.", "slt", "flite", 7, "")]
    readings = list(read_copies(clips, Halver(), LoudnessReader()))
    write_readings(tmp_path / "codec.jsonl", readings)
    assert load_readings(tmp_path / "codec.jsonl") == readings
    assert load_readings(tmp_path / "nothing.jsonl") == []
