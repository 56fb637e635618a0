"""Sound files, and a conversation laid on its clock. All samples are float32, mono, 24 kHz."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from kaiwa.cli.errors import CannotDo

SAMPLE_RATE_HZ = 24_000
FRAME_SAMPLES = 1_920
FRAME_S = 0.08
PACKET_SAMPLES = 480
PACKET_S = 0.02

Samples: TypeAlias = NDArray[np.float32]


def silence(duration_s: float) -> Samples:
    """Gives zeros of this length."""
    return np.zeros(round(duration_s * SAMPLE_RATE_HZ), dtype=np.float32)


def read_sound(path: Path) -> Samples:
    """Reads a WAV, FLAC, OGG or MP3 file of any rate and channels as float32 [n] in [-1, 1].

    Raises:
        CannotDo: there is no such file, it is not a sound file, or it holds no sound.
    """
    if not path.is_file():
        raise CannotDo(f"there is no file {path}")
    try:
        sound, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)  # [n, channels]
    except soundfile.LibsndfileError as error:
        raise CannotDo(
            f"{path} is not a sound file that can be read: {error}\n"
            "WAV, FLAC, OGG and MP3 can; convert others first, for instance with ffmpeg"
        ) from error
    mono = sound.mean(axis=1)
    if rate_hz != SAMPLE_RATE_HZ:
        mono = soxr.resample(mono, rate_hz, SAMPLE_RATE_HZ)
    if len(mono) == 0:
        raise CannotDo(f"{path} holds no sound")
    clipped: Samples = np.clip(np.nan_to_num(mono), -1, 1).astype(np.float32)
    return clipped


def overlay(left: Samples, right: Samples) -> NDArray[np.float32]:
    """Gives both as the channels of one sound [n, 2], the shorter one with silence after it."""
    both = np.zeros((max(len(left), len(right)), 2), dtype=np.float32)
    both[: len(left), 0] = left
    both[: len(right), 1] = right
    return both


def lay_frames(frames: Sequence[tuple[int, Samples]], lookahead_samples: int) -> Samples:
    """Lays each frame (its index, its samples [1920]) at its index x 80 ms.

    A decoder gives its sound `lookahead_samples` late; that much is taken off the beginning, so
    that frame i sounds exactly at i x 80 ms. A frame that is missing is silence.
    """
    if not frames:
        return silence(0)
    last = max(index for index, _ in frames)
    track = silence((last + 1) * FRAME_S)
    for index, samples in frames:
        start = index * FRAME_SAMPLES
        track[start : start + len(samples)] = samples
    return np.concatenate([track[lookahead_samples:], np.zeros(lookahead_samples, np.float32)])


def check_sound_format(path: Path) -> None:
    """Finds out whether `write_sound` knows the format that the file's name ends with.

    Raises:
        CannotDo: it does not.
    """
    if path.suffix[1:].upper() not in soundfile.available_formats():
        raise CannotDo(f"cannot write {path}: end its name with .wav, .flac, .ogg or .mp3")


def write_sound(path: Path, sound: NDArray[np.float32]) -> None:
    """Writes mono [n] or stereo [n, 2] in the format that the file's name ends with.

    Raises:
        CannotDo: the format is not known or the file cannot be written.
    """
    try:
        soundfile.write(path, sound, SAMPLE_RATE_HZ)
    except (soundfile.LibsndfileError, TypeError, ValueError, OSError) as error:
        raise CannotDo(f"cannot write {path}: {error}") from error
