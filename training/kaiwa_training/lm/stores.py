"""Stores of encoded sound: the codes of many clips in one array, with what is known of each."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

NO_WORD = -1
"""Stands in frames in which no word is heard, or none that is known."""


@dataclass(frozen=True)
class Store:
    """Clips, of which the i-th is `codes[:, starts[i] : starts[i] + lengths[i]]`, uint16.

    `condition` [N] says what is heard around the speech.
    """

    codes: Array
    starts: Array
    lengths: Array
    condition: Array

    def __len__(self) -> int:
        return len(self.starts)

    def clip(self, index: int) -> Array:
        """The codes [codebooks, n] of a clip."""
        return self.codes[:, self.frames(index)]

    def frames(self, index: int) -> slice:
        """Where a clip lies."""
        start = int(self.starts[index])
        return slice(start, start + int(self.lengths[index]))

    def save(self, path: Path) -> None:
        """Writes the store; who watches the folder sees all of it or nothing."""
        arrays = {field.name: getattr(self, field.name) for field in fields(self)}
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(path.suffix + ".new")
        with unfinished.open("wb") as file:
            np.savez(file, **{name: array for name, array in arrays.items() if array is not None})
        os.replace(unfinished, path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads what `save` wrote."""
        with np.load(path) as stored:
            return cls(**{name: stored[name] for name in stored.files})

    @classmethod
    def join(cls, stores: Sequence[Self]) -> Self:
        """The clips of all the stores, in order."""
        arrays: dict[str, Any] = {}
        for name in (field.name for field in fields(cls)):
            parts = [getattr(store, name) for store in stores]
            if all(part is not None for part in parts):
                arrays[name] = np.concatenate(parts, axis=-1)
        firsts = np.cumsum([0, *(store.codes.shape[1] for store in stores)])[:-1]
        starts = [store.starts + first for store, first in zip(stores, firsts, strict=True)]
        return cls(**arrays | {"starts": np.concatenate(starts)})


@dataclass(frozen=True)
class BackgroundStore(Store):
    """Stretches in which nobody speaks, each as a codec gives it from its first frame on."""

    def row(self, condition: object, frames: int, rng: np.random.Generator) -> Array:
        """Codes [codebooks, frames] of a condition, of any if it has none.

        One row in two begins as a call does.
        """
        found = np.flatnonzero(self.condition == condition)
        places = found if len(found) else np.arange(len(self))
        parts: list[Array] = []
        filled, fresh = 0, rng.random() < 0.5
        while filled < frames:
            stretch = self.clip(int(places[rng.integers(len(places))]))
            first = 0 if fresh else int(rng.integers(stretch.shape[1]))
            parts.append(stretch[:, first:])
            filled, fresh = filled + parts[-1].shape[1], False
        row: Array = np.concatenate(parts, axis=1)[:, :frames].astype(np.int64)
        return row


@dataclass(frozen=True)
class QuestionStore(Store):
    """Questions, a few frames of their surroundings before and after each.

    `intent` is the name of the reply that answers; in frame `speech_end_frame` of the clip the
    speech ends; `words`, if known, are the numbers of the words heard in the frames of `codes`,
    NO_WORD where none is.
    """

    intent: Array
    speech_end_frame: Array
    text: Array
    voice: Array
    words: Array | None = None

    def clip_words(self, index: int) -> Array | None:
        """The words in the frames of a clip, [n]."""
        return None if self.words is None else self.words[self.frames(index)]
