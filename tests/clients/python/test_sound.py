"""Sound files in and out."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from kaiwa.cli.errors import CannotDo
from kaiwa.cli.sound import lay_frames, overlay, read_sound, write_sound


def sine(rate_hz: int, seconds: float = 0.5) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * 440 * np.arange(int(rate_hz * seconds)) / rate_hz)


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 24_000, 44_100, 48_000])
@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg"])
def test_every_rate_and_format_becomes_24_khz_mono(
    tmp_path: Path, rate_hz: int, suffix: str
) -> None:
    path = tmp_path / f"question.{suffix}"
    stereo = np.stack([sine(rate_hz), sine(rate_hz)], axis=1)
    soundfile.write(path, stereo, rate_hz)
    samples = read_sound(path)
    assert samples.dtype == np.float32 and samples.ndim == 1
    assert abs(len(samples) - 12_000) <= 1
    middle = slice(2_000, 10_000)
    assert np.abs(samples[: len(sine(24_000))][middle] - sine(24_000)[middle]).max() < 0.05


def test_channels_are_averaged(tmp_path: Path) -> None:
    path = tmp_path / "question.wav"
    soundfile.write(path, np.tile([0.5, 0.25], (100, 1)), 24_000, subtype="FLOAT")
    assert np.allclose(read_sound(path), 0.375)


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(CannotDo, match=r"there is no file .*missing\.wav"):
        read_sound(tmp_path / "missing.wav")
    (tmp_path / "text.wav").write_text("not a sound")
    with pytest.raises(CannotDo, match=r"text\.wav is not a sound file"):
        read_sound(tmp_path / "text.wav")
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), 24_000)
    with pytest.raises(CannotDo, match="holds no sound"):
        read_sound(tmp_path / "empty.wav")


def test_samples_over_full_scale_and_not_numbers_are_tamed(tmp_path: Path) -> None:
    path = tmp_path / "loud.wav"
    soundfile.write(path, np.array([2.0, -3.0, np.nan, 0.5]), 24_000, subtype="FLOAT")
    assert read_sound(path).tolist() == [1.0, -1.0, 0.0, 0.5]


def test_frames_lie_at_their_index_less_the_lookahead_whatever_their_arrival() -> None:
    sound = np.arange(1, 3 * 1920 + 1, dtype=np.float32)
    late = np.concatenate([np.zeros(60, np.float32), sound])[: 3 * 1920]
    frames = [(i, late[i * 1920 : (i + 1) * 1920]) for i in (2, 0, 1)]
    track = lay_frames(frames, lookahead_samples=60)
    assert len(track) == 3 * 1920
    assert np.array_equal(track[:-60], sound[:-60])


def test_a_missing_frame_is_silence() -> None:
    ones = np.ones(1920, np.float32)
    track = lay_frames([(0, ones), (2, ones)], lookahead_samples=0)
    assert track[:1920].all() and not track[1920:3840].any() and track[3840:].all()
    assert len(lay_frames([], 60)) == 0


def test_both_voices_share_one_file_and_one_clock(tmp_path: Path) -> None:
    path = tmp_path / "talk.wav"
    write_sound(path, overlay(np.full(10, 0.25, np.float32), np.full(6, 0.5, np.float32)))
    sound, rate_hz = soundfile.read(path)
    assert rate_hz == 24_000
    assert sound[:, 0].tolist() == [0.25] * 10
    assert sound[:, 1].tolist() == [0.5] * 6 + [0] * 4


def test_a_format_that_is_not_known_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(CannotDo, match=r"cannot write .*reply\.xyz"):
        write_sound(tmp_path / "reply.xyz", np.zeros(10, np.float32))
