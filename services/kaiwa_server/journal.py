"""What happened in a session, step by step: enough to open it again somewhere else."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a session's tokens are drawn; see `SessionSettings` of the contract."""

    text_temperature: float
    text_top_k: int
    audio_temperature: float
    audio_top_k: int


@dataclass(frozen=True, slots=True)
class StepRecord:
    """What one step read and wrote, before the streams are re-aligned by the acoustic delay.

    `user_tokens` is empty in a step that was given none, as step 0 of most sessions. `sampling` is
    what holds from this step on, in a step before which it was changed.
    """

    step: int
    text_token: int
    moshi_tokens: tuple[int, ...]
    user_tokens: tuple[int, ...]
    sampling: Sampling | None = None


@dataclass(frozen=True, slots=True)
class TextPiece:
    """What a step's text token says; a space belongs before it when it starts a word."""

    step: int
    text: str
    starts_word: bool


class Journal:
    """A session's step records, in order: the newest `context_steps` of them."""

    def __init__(self, context_steps: int) -> None:
        self._records: deque[StepRecord] = deque(maxlen=context_steps)
        self._next_step = 0

    def append(self, record: StepRecord) -> None:
        """Adds the record of the next step.

        Raises:
            ValueError: the record is not of the step that follows the last one.
        """
        if record.step != self._next_step:
            raise ValueError(f"expected the record of step {self._next_step}, got {record.step}")
        self._records.append(record)
        self._next_step += 1

    @property
    def steps(self) -> int:
        """How many steps the session has run, kept or forgotten."""
        return self._next_step

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[StepRecord]:
        return iter(self._records)
