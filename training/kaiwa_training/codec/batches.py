"""Batches for the codec's training: clips somewhere in a window, degraded, with what is known."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from kaiwa_server.audio import FRAME_SAMPLES, SAMPLE_RATE_HZ
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import IterableDataset

from kaiwa_training.codec.heads import IGNORED, LABELS_PER_FRAME, Labels
from kaiwa_training.sound.degrade import another_voice, degrade
from kaiwa_training.speech.clips import meanings_of, speech_of
from kaiwa_training.speech.corpus import Corpus
from kaiwa_training.speech.phones import UNKNOWN
from kaiwa_training.speech.plan import Kind

FRAME_S = FRAME_SAMPLES / SAMPLE_RATE_HZ
PHONES_HZ = 100
HEARD_AFTER_S = 0.03
"""A phone is asked for so long after its time, a causal encoder having heard no more than that."""
WORD_OVER_S = 0.05
"""A word counts as heard so long after its end."""


@dataclass(frozen=True)
class Batch:
    """Clips [B, 1, 1920 * T] as they are heard, the same clean [B, 1920 * T], what is known."""

    heard: Tensor
    clean: Tensor
    labels: Labels

    def to(self, device: str) -> "Batch":
        """The same on a device."""
        return Batch(self.heard.to(device), self.clean.to(device), self.labels.to(device))


@dataclass(frozen=True)
class Mix:
    """How a batch is made: `rows` of each kind of clip, `frames` long, degraded as `hard` says."""

    rows: Sequence[tuple[tuple[Kind, ...], int]]
    frames: int
    hard: float = 1.0
    warped: bool = True


class Batches(IterableDataset[Batch]):
    """The batches from step `start` on; each depends on the seed and its step alone."""

    def __init__(self, corpus: Corpus, mix: Mix, *, seed: int, start: int, stop: int) -> None:
        self.corpus, self.mix, self.seed = corpus, mix, seed
        self.start, self.stop = start, stop
        self._pools = [(corpus.of_kind(*kinds), count) for kinds, count in mix.rows]
        self._meanings = meanings_of(corpus)

    def __iter__(self) -> Iterator[Batch]:
        for step in range(self.start, self.stop):
            yield self.batch(step)

    def batch(self, step: int) -> Batch:
        """The batch of a step."""
        rng = np.random.default_rng((self.seed, step))
        clips = [clip for pool, count in self._pools for clip in rng.choice(pool, count)]
        rows = [self._row(int(clip), rng) for clip in clips]
        heard, clean, phones, words, meaning = (np.stack(part) for part in zip(*rows, strict=True))
        labels = Labels(*(torch.from_numpy(part).long() for part in (phones, words, meaning)))
        return Batch(torch.from_numpy(heard)[:, None], torch.from_numpy(clean), labels)

    def _row(self, clip: int, rng: np.random.Generator) -> tuple[NDArray[np.generic], ...]:
        frames = self.mix.frames
        speech, speed = speech_of(self.corpus, clip), 1.0
        if self.mix.warped:
            speech, speed = another_voice(speech, rng)
        window = np.zeros(frames * FRAME_SAMPLES, np.float32)
        room = len(window) - len(speech)
        if room >= 0:
            start = int(rng.integers(room + 1))
            window[start : start + len(speech)] = speech
        else:
            start = -int(rng.integers(-room + 1))
            window[:] = speech[-start : -start + len(window)]
        sound = degrade(window, rng, hard=self.mix.hard)
        start_s = start / SAMPLE_RATE_HZ
        phones = self._phones(clip, start_s, speed)
        words = self._words(clip, start_s, speed)
        meaning = self._meaning(clip, start_s + len(speech) / SAMPLE_RATE_HZ, start >= 0)
        return sound.heard, sound.clean, phones, words, meaning

    def _phones(self, clip: int, start_s: float, speed: float) -> NDArray[np.int64]:
        """The phones [T, labels per frame] that were spoken a little before."""
        spoken = self.corpus.phones(clip)
        middles = (np.arange(self.mix.frames * LABELS_PER_FRAME) + 0.5) * FRAME_S / LABELS_PER_FRAME
        places = np.floor((middles - HEARD_AFTER_S - start_s) * speed * PHONES_HZ).astype(np.int64)
        inside = (places >= 0) & (places < len(spoken))
        labels = np.where(inside, spoken[places.clip(0, len(spoken) - 1)].astype(np.int64), 0)
        labels[labels == UNKNOWN] = IGNORED
        return labels.reshape(self.mix.frames, LABELS_PER_FRAME)

    def _words(self, clip: int, start_s: float, speed: float) -> NDArray[np.int64]:
        labels = np.zeros(self.mix.frames, np.int64)
        spoken = self.corpus.words(clip)
        if len(spoken) == 0:
            return np.full_like(labels, IGNORED)
        ends_s = start_s + spoken["end_cs"] / 100 / speed + WORD_OVER_S
        frames = np.floor(ends_s / FRAME_S).astype(np.int64)
        inside = (frames >= 0) & (frames < len(labels))
        labels[frames[inside]] = spoken["word"][inside] + 1
        return labels

    def _meaning(self, clip: int, end_s: float, whole: bool) -> NDArray[np.int64]:
        labels = np.full(self.mix.frames, IGNORED, np.int64)
        meaning = self._meanings[clip]
        if whole and meaning >= 0:
            labels[int((end_s + WORD_OVER_S) / FRAME_S) :] = meaning
        return labels
