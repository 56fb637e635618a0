"""The delay line: which token each stream is read as in each step.

A stream with delay d is read d steps late, so that Moshi's acoustic tokens are chosen once its
semantic token is known. In the ring, a token's place is the step that reads it: what step s writes
is read in step s + 1, what the user says in step s is read in step s + d, and up to step d a stream
reads its initial token, since nothing of it is older.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

NO_INPUT = -1
"""Stands for "nothing is heard here": the model reads it as a zero embedding."""

UNGENERATED = -2
"""Stands for "not written yet"; a step never reads it."""


class DelayLine:
    """The tokens of every stream around the present, one row for each slot.

    Streams [K] are those Moshi writes, then the user's. It has no clock: the caller says in which
    step [B] each of the rows [B] is.
    """

    def __init__(
        self,
        slots: int,
        *,
        delays: Sequence[int],
        initial_tokens: Sequence[int],
        written: int,
        device: torch.device,
    ) -> None:
        streams = len(delays)
        self.delays = torch.tensor(delays, device=device)  # [K]
        self.initial_tokens = torch.tensor(initial_tokens, device=device)  # [K]
        self.max_delay = max(delays)
        self.places = self.max_delay + 1
        self.tokens = torch.full((slots, streams, self.places), UNGENERATED, device=device)
        self._written = slice(0, written)
        self._heard = slice(written, streams)
        self._streams = torch.arange(streams, device=device)

    def reset(self, slot: int) -> None:
        """Makes the slot's row that of a new session."""
        self.tokens[slot] = UNGENERATED

    @property
    def memory_bytes(self) -> int:
        """What all slots take of memory."""
        return self.tokens.nbytes

    def hear(self, rows: Tensor, step: Tensor, tokens: Tensor) -> None:
        """Takes what the user says in this step [B, K - written]; NO_INPUT where nothing."""
        due = step[:, None] + self.delays[self._heard]
        self.tokens[rows[:, None], self._streams[self._heard], due % self.places] = tokens

    def read(self, rows: Tensor, step: Tensor) -> Tensor:
        """What this step reads, [B, K]."""
        now = step[:, None]
        tokens = self.tokens[rows[:, None], self._streams, now % self.places]
        return torch.where(now <= self.delays, self.initial_tokens, tokens)

    def write(self, rows: Tensor, step: Tensor, tokens: Tensor) -> None:
        """Takes what Moshi writes in this step, [B, written]."""
        due = step[:, None] + 1
        self.tokens[rows[:, None], self._streams[self._written], due % self.places] = tokens

    def aligned(self, rows: Tensor, step: Tensor) -> Tensor:
        """The tokens [B, written] of frame `step - max_delay`, which this step's write completed.

        All are UNGENERATED in the first `max_delay` steps, which complete none.
        """
        now = step[:, None]
        due = now - self.max_delay + 1 + self.delays[self._written]
        tokens = self.tokens[rows[:, None], self._streams[self._written], due % self.places]
        return torch.where(now < self.max_delay, UNGENERATED, tokens)
