"""The user's sound on its way to the model: pieces of any length in, frames of 80 ms out."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kaiwa_server.audio import FRAME_SAMPLES, SAMPLE_RATE_HZ

Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class HeardFrame:
    """What the model is to hear next.

    Attributes:
        samples: float32 [1920], or None where there is no sound.
        complete_s: when it was complete, or given up.
        due_s: when it should have been complete.
    """

    samples: Samples | None
    complete_s: float
    due_s: float


class UserSound(Protocol):
    """Holds what was said and not yet heard; every time is in seconds of one clock."""

    def begin(self, now_s: float) -> None:
        """Starts its clock, if it has one, before any sound has come."""

    def hear(self, samples: Samples, now_s: float) -> int:
        """Takes sound of any length: float32 [n]; gives how many frames are left out for it."""

    def finish(self, now_s: float) -> None:
        """Ends it: silence fills the last frame, so that nothing said is lost."""

    def clear(self) -> None:
        """Forgets what waits, and begins again with the next sound."""

    def take(self, now_s: float) -> HeardFrame | None:
        """Gives the next frame; None if it is not time for one yet."""

    @property
    def next_s(self) -> float:
        """When `take` gives a frame if no sound comes before; infinity for never."""

    @property
    def full(self) -> bool:
        """Whether more sound should wait outside."""

    @property
    def all_taken(self) -> bool:
        """Whether it is finished and `take` has given everything."""


class Framer:
    """Cuts sound into frames."""

    def __init__(self) -> None:
        self._partial = np.empty(0, np.float32)
        self._piece_samples = 1

    def add(self, samples: Samples) -> Iterator[Samples]:
        """Gives the frames that are complete with this piece, float32 [n]."""
        self._piece_samples = max(len(samples), 1)
        sound = np.concatenate([self._partial, samples])
        complete = len(sound) // FRAME_SAMPLES * FRAME_SAMPLES
        self._partial = sound[complete:]
        return iter(sound[:complete].reshape(-1, FRAME_SAMPLES))

    @property
    def overhang_s(self) -> float:
        """How much longer than the next frame the pieces are that complete it.

        A client that sends 120 ms at a time completes a frame up to 40 or 80 ms after its last
        sample was recorded, and is not late. Pieces are taken to be as long as the newest.
        """
        missing = FRAME_SAMPLES - len(self._partial)
        return (-missing % self._piece_samples) / SAMPLE_RATE_HZ

    def end(self) -> Samples | None:
        """Gives the rest, filled up with silence; None if there is none."""
        if not len(self._partial):
            return None
        missing = FRAME_SAMPLES - len(self._partial)
        frame = np.concatenate([self._partial, np.zeros(missing, np.float32)])
        self._partial = np.empty(0, np.float32)
        return frame
