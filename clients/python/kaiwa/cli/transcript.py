"""A conversation in lines: what Moshi says between two pauses, and what it was asked."""

from dataclasses import dataclass

from kaiwa.cli.script import Question
from kaiwa.events import Text

PAUSE_S = 1.0  # a longer silence between two words begins a new line


@dataclass(slots=True)
class Line:
    """What one of the two said without a pause, in seconds from the beginning of the session."""

    at_s: float
    who: str
    text: str

    def __str__(self) -> str:
        return f"{self.at_s:6.2f} s  {self.who:<6} {self.text}"


class Transcript:
    """Turns pieces of text, as they come, into lines."""

    def __init__(self) -> None:
        self._open: Line | None = None
        self._last_piece_s = 0.0

    @property
    def open_line(self) -> Line | None:
        """The line that may still grow."""
        return self._open

    def add(self, piece: Text) -> Line | None:
        """Takes the next piece and gives the line that it closes, if it begins a new one."""
        closed = self.close_before(piece.time_ms / 1000)
        self._last_piece_s = piece.time_ms / 1000
        if self._open is None:
            self._open = Line(self._last_piece_s, "Moshi", piece.text)
        else:
            self._open.text += " " * piece.starts_word + piece.text
        return closed

    def close_before(self, now_s: float) -> Line | None:
        """Gives the open line if nothing was added to it for a pause, and closes it."""
        return self.close() if now_s - self._last_piece_s > PAUSE_S else None

    def close(self) -> Line | None:
        """Gives the open line, if there is one, and closes it."""
        closed, self._open = self._open, None
        return closed


def transcribe(questions: tuple[Question, ...], pieces: list[Text]) -> list[Line]:
    """Gives the lines of a whole conversation in the order of their beginnings."""
    transcript = Transcript()
    lines = [ask(question) for question in questions]
    lines += [line for line in map(transcript.add, pieces) if line is not None]
    if (last := transcript.close()) is not None:
        lines.append(last)
    return sorted(lines, key=lambda line: line.at_s)


def ask(question: Question) -> Line:
    """Gives the line of a question."""
    return Line(question.start_s, "you", question.name)
