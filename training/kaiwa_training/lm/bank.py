"""The reply bank: each reply of Moshi's as the tokens that the LM is to write."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from kaiwa_server.audio import FRAME_SAMPLES, SAMPLE_RATE_HZ
from numpy.typing import NDArray

from kaiwa_training.lm.tokenizer import END_OF_PADDING, PADDING

Codes = NDArray[np.uint16]

GREETING = "greeting"
NOT_UNDERSTOOD = "not_understood"


@dataclass(frozen=True)
class Reply:
    """What Moshi says to the questions of one intent, which `name` is.

    In each of its n frames, from the first of speech to the last, are codes [codebooks, n] and a
    text token [n].
    """

    name: str
    text: str
    codes: Codes
    tokens: NDArray[np.int16]

    @property
    def words(self) -> tuple[int, ...]:
        """Its text tokens that are words."""
        return words_of(self.tokens.tolist())


def words_of(tokens: Sequence[int]) -> tuple[int, ...]:
    """The text tokens that are words."""
    return tuple(token for token in tokens if token not in (PADDING, END_OF_PADDING))


def text_stream(
    words: Sequence[int], starts_s: Sequence[float], *, lead_frames: int, frames: int
) -> NDArray[np.int16]:
    """The text tokens [frames] of a clip whose words begin at these seconds.

    The clip begins in frame `lead_frames`, and so does its first word, even if its sound begins a
    little later: whoever could hear any of the reply before its first word would not learn to
    choose that word from the question. Of words that begin in the same frame the later ones wait
    for the next.

    Raises:
        ValueError: the frames do not hold the words.
    """
    stream = np.full(frames, PADDING, np.int16)
    begins = [int(start_s * SAMPLE_RATE_HZ / FRAME_SAMPLES + 1e-6) for start_s in starts_s]
    free = lead_frames
    for word, frame in zip(words, [0, *begins[1:]], strict=True):
        place = max(free, lead_frames + frame)
        if place >= frames:
            raise ValueError(f"a word begins in frame {place} of {frames}")
        stream[place] = word
        if place > 0 and stream[place - 1] == PADDING:
            stream[place - 1] = END_OF_PADDING
        free = place + 1
    return stream


@dataclass(frozen=True)
class ReplyBank:
    """All replies, the greeting among them; a reply's number is its place."""

    replies: tuple[Reply, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Those of the replies, by number."""
        return tuple(reply.name for reply in self.replies)

    def number(self, name: str) -> int:
        """The number of a reply; raises `ValueError` if there is none of this name."""
        return self.names.index(name)

    def save(self, path: Path) -> None:
        """Writes the bank as an npz file."""
        with path.open("wb") as file:
            np.savez(
                file,
                names=np.array(self.names),
                texts=np.array([reply.text for reply in self.replies]),
                lengths=np.array([len(reply.tokens) for reply in self.replies]),
                codes=np.concatenate([reply.codes for reply in self.replies], axis=1),
                tokens=np.concatenate([reply.tokens for reply in self.replies]),
            )

    @classmethod
    def load(cls, path: Path) -> "ReplyBank":
        """Reads what `save` wrote."""
        with np.load(path) as stored:
            ends = stored["lengths"].cumsum()[:-1]
            parts = zip(
                stored["names"].tolist(),
                stored["texts"].tolist(),
                np.split(stored["codes"], ends, axis=1),
                np.split(stored["tokens"], ends),
                strict=True,
            )
            return cls(tuple(Reply(*part) for part in parts))
