"""The inner monologue as words."""

import codecs
from typing import Protocol

from kaiwa_server.journal import TextPiece

WORD_MARK = "▁"
"""What a sentencepiece writes for the space before a word."""

_PADDING, _END_OF_PADDING = 3, 0


class Tokenizer(Protocol):
    """What is needed of a sentencepiece processor."""

    def get_piece_size(self) -> int:
        """How many pieces there are."""

    def id_to_piece(self, token: int) -> str:
        """The piece of a token."""

    def is_control(self, token: int) -> bool:
        """Whether the piece says something about the text, not in it."""

    def is_unknown(self, token: int) -> bool:
        """Whether the piece stands for what has none."""

    def is_byte(self, token: int) -> bool:
        """Whether the piece is one byte of a character that has no piece, as `<0xE4>`."""


class TextPieces:
    """Turns one session's text tokens into pieces of words.

    Most steps are padding and say nothing. A character that comes byte by byte is told at its last
    byte; bytes that make no character are left out. A word mark that comes by itself counts for the
    piece after it.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._bytes = codecs.getincrementaldecoder("utf-8")(errors="ignore")
        self._starts_word = False

    def piece(self, step: int, token: int) -> TextPiece | None:
        """Gives what the text token of a step says; None for padding and the initial token."""
        if not self._says_something(token):
            return None
        piece = self._tokenizer.id_to_piece(token)
        if self._tokenizer.is_byte(token):
            text = self._bytes.decode(bytes([int(piece[1:-1], 16)]))
        else:
            self._bytes.reset()
            text = piece.removeprefix(WORD_MARK)
            self._starts_word |= text != piece
        if not text:
            return None
        starts_word, self._starts_word = self._starts_word, False
        return TextPiece(step, text.replace(WORD_MARK, " "), starts_word)

    def _says_something(self, token: int) -> bool:
        return (
            token not in (_PADDING, _END_OF_PADDING)
            and 0 <= token < self._tokenizer.get_piece_size()
            and not self._tokenizer.is_control(token)
            and not self._tokenizer.is_unknown(token)
        )
