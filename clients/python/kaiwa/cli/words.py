"""Moshi's pieces of text as words, and its words as utterances."""

from collections.abc import Iterable
from dataclasses import dataclass

from kaiwa.events import Text

PAUSE_S = 1.0  # a longer silence between two words begins a new utterance


@dataclass(frozen=True, slots=True)
class Word:
    """A word with the punctuation that clings to it, and its time on the session's clock."""

    text: str
    at_s: float
    last_s: float
    """The time of its last piece."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """What Moshi says between two pauses."""

    words: tuple[Word, ...]

    @property
    def at_s(self) -> float:
        """When its first word begins."""
        return self.words[0].at_s

    @property
    def text(self) -> str:
        """The words with spaces between them."""
        return " ".join(word.text for word in self.words)


def words_of(pieces: Iterable[Text]) -> list[Word]:
    """Joins pieces, in order, into words."""
    words: list[Word] = []
    for piece in pieces:
        at_s = piece.time_ms / 1000
        if piece.starts_word or not words:
            words.append(Word(piece.text, at_s, at_s))
        else:
            words[-1] = Word(words[-1].text + piece.text, words[-1].at_s, at_s)
    return words


def utterances_of(pieces: Iterable[Text]) -> list[Utterance]:
    """Joins pieces, in order, into utterances."""
    groups: list[list[Word]] = []
    for word in words_of(pieces):
        if groups and word.at_s - groups[-1][-1].last_s <= PAUSE_S:
            groups[-1].append(word)
        else:
            groups.append([word])
    return [Utterance(tuple(group)) for group in groups]
