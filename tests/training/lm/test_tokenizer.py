from pathlib import Path

import pytest
from kaiwa_server.lm.text import TextPieces
from kaiwa_training.lm.tokenizer import END_OF_PADDING, PADDING, WordTokenizer, train_tokenizer

REPLIES = [
    "Hello, I am Moshi. Ask me something.",
    "Why did the robot cross the road? It was programmed by a chicken.",
    "I can't see outside, but I hope it is sunny.",
]


def test_each_word_with_its_punctuation_is_one_token() -> None:
    tokenizer = train_tokenizer(REPLIES)
    words = {word for reply in REPLIES for word in reply.split()}
    assert tokenizer.size == 4 + len(words)
    for reply in REPLIES:
        assert len(tokenizer.tokens(reply)) == len(reply.split())


def test_the_served_text_is_the_reply_letter_by_letter() -> None:
    tokenizer = train_tokenizer(REPLIES)
    for reply in REPLIES:
        told = TextPieces(tokenizer.pieces)
        tokens = [
            END_OF_PADDING,
            *(t for word in tokenizer.tokens(reply) for t in (word, PADDING)),
        ]
        pieces = [piece for step, t in enumerate(tokens) if (piece := told.piece(step, t))]
        assert all(piece.starts_word for piece in pieces)
        assert " ".join(piece.text for piece in pieces) == reply == tokenizer.text(tokens)


def test_padding_and_its_end_have_the_tokens_that_are_served() -> None:
    pieces = train_tokenizer(REPLIES).pieces
    assert (pieces.unk_id(), pieces.bos_id(), pieces.eos_id(), pieces.pad_id()) == (0, 1, 2, 3)


def test_the_file_is_small_and_names_no_file_of_the_machine(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.model"
    tokenizer = train_tokenizer(REPLIES)
    tokenizer.save(path)
    assert path.stat().st_size < 5000
    assert b"/" not in path.read_bytes().replace(b"</s>", b"")
    assert WordTokenizer.load(path).tokens(REPLIES[0]) == tokenizer.tokens(REPLIES[0])


def test_the_same_replies_make_the_same_file() -> None:
    assert train_tokenizer(REPLIES).model == train_tokenizer(REPLIES).model


@pytest.mark.parametrize("text", ["Hello, stranger.", "hello, I am Moshi.", ""])
def test_what_is_not_words_of_replies_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected words of the replies"):
        train_tokenizer(REPLIES).tokens(text)
