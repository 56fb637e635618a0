"""Moshi's pieces of text as words, each with its time."""

from collections.abc import Iterable
from dataclasses import dataclass

from kaiwa.events import Text


@dataclass(frozen=True, slots=True)
class Word:
    """A word with the punctuation that clings to it."""

    text: str
    at_s: float
    """The time of its first piece on the session's clock."""


def words_of(pieces: Iterable[Text]) -> list[Word]:
    """Joins pieces, in order, into words."""
    words: list[Word] = []
    for piece in pieces:
        if piece.starts_word or not words:
            words.append(Word(piece.text, piece.time_ms / 1000))
        else:
            words[-1] = Word(words[-1].text + piece.text, words[-1].at_s)
    return words
