"""Who speaks when in a conversation: Moshi answers a little after the question's end.

Interrupted, it breaks off and listens, as people do. So each question is heard in silence.
"""

from dataclasses import dataclass, replace


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


@dataclass(frozen=True)
class Manners:
    """After how many frames Moshi does what: it answers so long after a question's end, breaks off
    so long after somebody begins to speak, and begins no reply so long after that."""

    answers_after: int = 5
    breaks_off_after: int = 6
    begins_none_after: int = 2


class Turns:
    """What Moshi says to the questions of a row, which are told in order."""

    def __init__(self, first: Saying, manners: Manners) -> None:
        self._manners = manners
        self.sayings = [first]
        """All that Moshi says, in order, if nothing more is asked."""

    def ask(
        self, reply: int, length: int, speech_start: int, speech_end: int, early: int = 0
    ) -> None:
        """Takes a question, to which `reply` is the answer, `length` frames long.

        It begins so many frames too `early` if Moshi took a pause for the question's end; it then
        goes on, since what comes after the pause is no new question.
        """
        manners, last = self._manners, self.sayings.pop()
        if last.start <= speech_start + manners.begins_none_after:
            said = speech_start + manners.breaks_off_after - last.start
            self.sayings.append(replace(last, length=min(last.length, said)))
        start = speech_end + manners.answers_after - early
        self.sayings.append(Saying(reply, start, length, speech_end))

    @property
    def end(self) -> int:
        """The frame from which on Moshi has nothing more to say."""
        return self.sayings[-1].end
