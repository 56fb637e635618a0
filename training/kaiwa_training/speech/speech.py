"""What a voice is asked to say, and what it said, with the times of its phones and words."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import soxr
from numpy.typing import NDArray

from kaiwa_training.speech.phones import SILENCE

SAMPLE_RATE_HZ = 24_000

Timed = tuple[int, float, float]  # phone, start in s, end in s
TimedWord = tuple[str, float, float]  # word, start in s, end in s


@dataclass(frozen=True)
class Voice:
    """A voice of one engine; `pitch_hz` is the mean pitch of those that are told it in Hz."""

    engine: str
    name: str
    pitch_hz: float = 0.0

    def __str__(self) -> str:
        return f"{self.engine}/{self.name}"


@dataclass(frozen=True)
class Utterance:
    """A text to be said. `rate` and `pitch` are factors; 1.25 is faster, or higher, by a quarter.

    `seed` decides what an engine leaves to chance.
    """

    text: str
    voice: Voice
    rate: float = 1.0
    pitch: float = 1.0
    seed: int = 0


@dataclass(frozen=True)
class Speech:
    """What was said: samples [n] at 24 kHz, its phones, and one timed word for each word in text.

    `phones` and `words` are in order and do not overlap; what no phone covers is silence.
    """

    samples: NDArray[np.float32]
    phones: tuple[Timed, ...]
    words: tuple[TimedWord, ...]


class Engine(Protocol):
    """A text-to-speech engine."""

    def say(self, utterances: Sequence[Utterance]) -> Iterator[Speech]:
        """Gives the speech of each utterance, in order."""
        ...


def to_24_khz(pcm: NDArray[np.int16], rate_hz: int) -> NDArray[np.float32]:
    """Gives 16-bit PCM at `rate_hz` as samples at 24 kHz in [-1, 1]."""
    samples = pcm.astype(np.float32) / 32768
    resampled: NDArray[np.float32] = soxr.resample(samples, rate_hz, SAMPLE_RATE_HZ)
    return resampled


def time_words(
    text: str, starts_s: dict[int, float], phones: tuple[Timed, ...], end_s: float
) -> tuple[TimedWord, ...]:
    """Gives every word of a text its time, from the starts of those words that have one.

    `starts_s` is keyed by the word's place in `text.split()`. A word without a start shares the
    time of the word before it by the number of letters, since engines say some words as one. A
    word ends where the last phone before the next word's start does, or at `end_s`.
    """
    words = text.split()
    anchors = sorted(starts_s.items()) or [(0, 0.0)]
    anchors[0] = (0, anchors[0][1])
    timed: list[TimedWord] = []
    for (first, start_s), (after, next_s) in zip(
        anchors, [*anchors[1:], (len(words), end_s)], strict=True
    ):
        spoken_until = [e for phone, b, e in phones if phone != SILENCE and start_s <= b < next_s]
        stop_s = min(next_s, max(spoken_until, default=next_s))
        letters = sum(len(word) for word in words[first:after])
        for word in words[first:after]:
            share_s = (stop_s - start_s) * len(word) / letters
            timed.append((word, start_s, start_s + share_s))
            start_s += share_s
            letters -= len(word)
    return tuple(timed)
