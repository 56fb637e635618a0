"""Who speaks when in a conversation: Moshi answers a little after the question's end.

While Moshi speaks it finishes first, and of the questions that ended meanwhile it answers the
latest.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Saying:
    """A reply of Moshi's in the frames from `start` on, `length` of them.

    `asked` is the frame in which its question's speech ended, None if there was none.
    """

    reply: int
    start: int
    length: int
    asked: int | None

    @property
    def end(self) -> int:
        """The frame after its last."""
        return self.start + self.length


class Turns:
    """What Moshi says to the questions of a row, which are told in the order of their ends."""

    def __init__(self, first: Saying, answers_after: int) -> None:
        self._answers_after = answers_after
        self._begun = [first]
        self._due: Saying | None = None

    def ask(self, reply: int, length: int, speech_end: int) -> None:
        """Takes a question, to which `reply` is the answer, `length` frames long."""
        if self._due and speech_end >= self._due.start:
            self._begun.append(self._due)
        last_spoken = self._begun[-1].end - 1
        start = max(speech_end, last_spoken) + self._answers_after
        self._due = Saying(reply, start, length, speech_end)

    @property
    def sayings(self) -> list[Saying]:
        """All that Moshi says, in order, if nothing more is asked."""
        return [*self._begun, self._due] if self._due else list(self._begun)

    @property
    def end(self) -> int:
        """The frame from which on Moshi has nothing more to say."""
        return self.sayings[-1].end
