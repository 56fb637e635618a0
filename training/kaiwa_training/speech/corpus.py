"""A corpus of clips on disk, read by memory maps.

pcm.npy holds all clips' 16-bit samples at 24 kHz back to back, phones.npy their phones on a
100 Hz grid, clips.npy one row for each clip, words.npy one for each word of each clip, in order.
texts.json, voices.json and vocabulary.json are what the rows count into.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kaiwa_training.speech.plan import Kind
from kaiwa_training.speech.speech import Voice

CLIP_FIELDS = np.dtype(
    [
        ("pcm_start", np.int64),
        ("pcm_length", np.int32),
        ("phones_start", np.int64),
        ("phones_length", np.int32),
        ("text", np.int32),
        ("voice", np.int16),
        ("kind", np.uint8),
        ("intent", np.int16),
        ("rate", np.float32),
        ("pitch", np.float32),
    ]
)
WORD_FIELDS = np.dtype(
    [("clip", np.int32), ("word", np.int32), ("start_cs", np.int32), ("end_cs", np.int32)]
)

Rows = np.ndarray[tuple[int], np.dtype[np.void]]


class Corpus:
    """The clips of one folder. Rows of `clips` and `words` are as CLIP_FIELDS, WORD_FIELDS."""

    def __init__(self, folder: Path) -> None:
        """Raises:
        FileNotFoundError: no whole corpus is there.
        """
        self.clips: Rows = np.load(folder / "clips.npy")
        self.all_words: Rows = np.load(folder / "words.npy")
        self.texts: tuple[str, ...] = tuple(_read(folder / "texts.json"))
        self.vocabulary: tuple[str, ...] = tuple(_read(folder / "vocabulary.json"))
        self.voices: tuple[Voice, ...] = tuple(
            Voice(**voice) for voice in _read(folder / "voices.json")
        )
        self._pcm: NDArray[np.int16] = np.load(folder / "pcm.npy", mmap_mode="r")
        self._phones: NDArray[np.uint8] = np.load(folder / "phones.npy", mmap_mode="r")
        edges = np.arange(len(self.clips) + 1)
        self._word_edges = np.searchsorted(self.all_words["clip"], edges)

    def __len__(self) -> int:
        return len(self.clips)

    def of_kind(self, *kinds: Kind) -> NDArray[np.int64]:
        """Gives the clips of these kinds, in ascending order."""
        return np.flatnonzero(np.isin(self.clips["kind"], kinds))

    def samples(self, clip: int) -> NDArray[np.int16]:
        """Gives a clip's samples [n] at 24 kHz, a view of the file."""
        row = self.clips[clip]
        return self._pcm[row["pcm_start"] : row["pcm_start"] + row["pcm_length"]]

    def phones(self, clip: int) -> NDArray[np.uint8]:
        """Gives a clip's phones [ceil(n / 240)] on a 100 Hz grid, a view of the file."""
        row = self.clips[clip]
        return self._phones[row["phones_start"] : row["phones_start"] + row["phones_length"]]

    def words(self, clip: int) -> Rows:
        """Gives a clip's words, one for each of `text(clip).split()`; none in other languages."""
        return self.all_words[self._word_edges[clip] : self._word_edges[clip + 1]]

    def text(self, clip: int) -> str:
        """Gives what a clip says, with its punctuation."""
        return self.texts[int(self.clips[clip]["text"])]

    def voice(self, clip: int) -> Voice:
        """Gives the voice that says a clip."""
        return self.voices[int(self.clips[clip]["voice"])]


def _read(path: Path) -> list[Any]:
    content: list[Any] = json.loads(path.read_text(encoding="utf-8"))
    return content
