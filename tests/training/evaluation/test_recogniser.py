"""The recogniser reads plain speech, at any level and with any silence around it."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from kaiwa_training.evaluation.clips import Samples
from kaiwa_training.evaluation.recogniser import Recogniser
from kaiwa_training.evaluation.word_errors import word_error_rate

pytest.importorskip("pocketsphinx", reason="PocketSphinx is not installed")

SENTENCE = "Why did the robot cross the road?"


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    if shutil.which("flite") is None:
        pytest.skip("flite is not installed")
    path: Path = tmp_path_factory.mktemp("speech") / "robot.wav"
    subprocess.run(["flite", "-voice", "slt", "-t", SENTENCE, "-o", path], check=True)
    samples, rate_hz = soundfile.read(path, dtype="float32")
    return soxr.resample(samples, rate_hz, 24_000).astype(np.float32)


def test_it_reads_a_voice(spoken: Samples) -> None:
    assert word_error_rate(SENTENCE, Recogniser().read(spoken)) <= 0.3


def test_level_and_silence_change_nothing(spoken: Samples) -> None:
    recogniser = Recogniser()
    quiet = np.pad(spoken * np.float32(0.1), 12_000)
    assert recogniser.read(quiet) == recogniser.read(spoken)


def test_there_is_nothing_to_read_in_silence() -> None:
    recogniser = Recogniser()
    assert recogniser.read(np.zeros(24_000, np.float32)) == ""
    assert recogniser.read(np.zeros(0, np.float32)) == ""
