"""The inner monologue as words, with the embedded tokenizer and with one that spells bytes."""

import pytest
from kaiwa_server.journal import TextPiece
from kaiwa_server.lm.text import TextPieces
from kaiwa_server.serving.hub import EMBEDDED_MODEL_DIR
from sentencepiece import SentencePieceProcessor


@pytest.fixture(scope="module")
def tokenizer() -> SentencePieceProcessor:
    return SentencePieceProcessor(model_file=str(EMBEDDED_MODEL_DIR / "tokenizer.model"))


class SpellingTokenizer:
    """Pieces by their number; those written `<0x..>` are bytes."""

    def __init__(self, *pieces: str) -> None:
        self._pieces = ("<unk>", "<s>", "</s>", "<pad>", *pieces)

    def get_piece_size(self) -> int:
        return len(self._pieces)

    def id_to_piece(self, token: int) -> str:
        return self._pieces[token]

    def is_control(self, token: int) -> bool:
        return token in (1, 2, 3)

    def is_unknown(self, token: int) -> bool:
        return token == 0

    def is_byte(self, token: int) -> bool:
        return self._pieces[token].startswith("<0x")


def spoken(pieces: TextPieces, tokens: list[int]) -> list[TextPiece | None]:
    return [pieces.piece(step, token) for step, token in enumerate(tokens)]


def test_words_come_back_as_they_were_written(tokenizer: SentencePieceProcessor) -> None:
    sentence = "Hello, I am Moshi. Ask me something."
    said = [piece for piece in spoken(TextPieces(tokenizer), tokenizer.encode(sentence)) if piece]
    assert "".join(" " * piece.starts_word + piece.text for piece in said).strip() == sentence
    assert sum(piece.starts_word for piece in said) == len(sentence.split())


def test_a_piece_knows_its_step(tokenizer: SentencePieceProcessor) -> None:
    token = tokenizer.piece_to_id("▁have")
    assert TextPieces(tokenizer).piece(41, token) == TextPiece(41, "have", starts_word=True)


@pytest.mark.parametrize("token", [0, 1, 2, 3, 300, 32_000, -1, -2])
def test_padding_and_tokens_outside_the_vocabulary_say_nothing(
    tokenizer: SentencePieceProcessor, token: int
) -> None:
    assert TextPieces(tokenizer).piece(0, token) is None


def test_a_word_mark_by_itself_counts_for_the_piece_after_it_padding_or_not() -> None:
    pieces = TextPieces(SpellingTokenizer("▁", "j", "▁jazz"))
    assert spoken(pieces, [4, 3, 5, 5, 6]) == [
        None,
        None,
        TextPiece(2, "j", starts_word=True),
        TextPiece(3, "j", starts_word=False),
        TextPiece(4, "jazz", starts_word=True),
    ]


def test_a_character_that_comes_byte_by_byte_is_told_at_its_last_byte() -> None:
    pieces = TextPieces(SpellingTokenizer("▁", "<0xE4>", "<0xBC>", "<0x9A>"))
    assert spoken(pieces, [4, 5, 6, 7]) == [None, None, None, TextPiece(3, "会", starts_word=True)]


def test_bytes_that_make_no_character_are_left_out() -> None:
    pieces = TextPieces(SpellingTokenizer("<0xE4>", "<0xBC>", "a", "<0x9A>", "b"))
    assert spoken(pieces, [4, 5, 6, 7, 8]) == [
        None,
        None,
        TextPiece(2, "a", starts_word=False),
        None,
        TextPiece(4, "b", starts_word=False),
    ]


def test_sessions_do_not_share_half_a_character() -> None:
    tokenizer = SpellingTokenizer("<0xC3>", "<0xA9>")
    TextPieces(tokenizer).piece(0, 4)
    assert TextPieces(tokenizer).piece(0, 5) is None
