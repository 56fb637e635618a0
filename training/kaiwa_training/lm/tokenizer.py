"""The text tokenizer: one token for each word of the replies, with its punctuation."""

import io
from collections.abc import Iterable
from pathlib import Path

import sentencepiece
from kaiwa_server.lm.text import TextPieces

PADDING = 3
"""Stands in every frame in which no word begins."""

END_OF_PADDING = 0
"""Stands in the frame before a word, if that frame would hold padding."""

_CONTROL_TOKENS = 4  # end of padding, start, end, padding


class WordTokenizer:
    """Text to tokens and back, by the served model's own rules."""

    def __init__(self, model: bytes) -> None:
        self.model = model
        self.pieces = sentencepiece.SentencePieceProcessor(model_proto=model)

    @classmethod
    def load(cls, path: Path) -> "WordTokenizer":
        """Reads what `save` wrote."""
        return cls(path.read_bytes())

    def save(self, path: Path) -> None:
        """Writes the model as sentencepiece reads it."""
        path.write_bytes(self.model)

    @property
    def size(self) -> int:
        """How many tokens there are."""
        return int(self.pieces.get_piece_size())

    def tokens(self, text: str) -> tuple[int, ...]:
        """One token for each word.

        Raises:
            ValueError: a word is in none of the replies.
        """
        tokens = tuple(self.pieces.encode(text))
        if len(tokens) != len(text.split()) or min(tokens, default=0) < _CONTROL_TOKENS:
            raise ValueError(f"{text!r}: expected words of the replies, one space between two")
        return tokens

    def text(self, tokens: Iterable[int]) -> str:
        """What a session that writes these tokens is told."""
        told = TextPieces(self.pieces)
        pieces = [told.piece(step, token) for step, token in enumerate(tokens)]
        words = [f" {piece.text}" if piece.starts_word else piece.text for piece in pieces if piece]
        return "".join(words).removeprefix(" ")


def train_tokenizer(replies: Iterable[str]) -> WordTokenizer:
    """The tokenizer of all words of the replies."""
    texts = list(replies)
    words = {word for text in texts for word in text.split()}
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_writer=model,
        model_type="word",
        vocab_size=_CONTROL_TOKENS + len(words),
        character_coverage=1.0,
        # What normalises nothing needs no table, which would be most of the file.
        normalization_rule_name="identity",
        unk_id=END_OF_PADDING,
        bos_id=1,
        eos_id=2,
        pad_id=PADDING,
        minloglevel=2,
    )
    return WordTokenizer(model.getvalue())
