"""Pieces of text as words and lines."""

from kaiwa.cli.script import Question
from kaiwa.cli.transcript import Transcript, transcribe
from kaiwa.cli.words import Word, words_of
from kaiwa.events import Text


def pieces(*parts: tuple[str, int]) -> list[Text]:
    """Pieces at steps; one that begins with a space starts a word."""
    return [Text(p.strip(), p.startswith(" "), step, step * 80) for p, step in parts]


def test_pieces_that_start_no_word_cling_to_the_one_before() -> None:
    assert words_of(pieces(("My", 5), (" na", 7), ("me", 8), (".", 9))) == [
        Word("My", 0.4),
        Word("name.", 0.56),
    ]


def test_nothing_is_no_words() -> None:
    assert words_of([]) == []
    assert transcribe((), []) == []


def test_a_pause_begins_a_new_line_and_questions_stand_where_they_began() -> None:
    said = pieces((" Hello", 5), (".", 8), (" A", 70), (" joke", 72), ("?", 73))
    question = Question("[joke.wav]", 3.5, 5.0)
    assert [str(line) for line in transcribe((question,), said)] == [
        "  0.40 s  Moshi  Hello.",
        "  3.50 s  you    [joke.wav]",
        "  5.60 s  Moshi  A joke?",
    ]


def test_a_line_closes_only_after_its_pause() -> None:
    transcript = Transcript()
    assert transcript.close_before(5.0) is None
    (piece,) = pieces((" Hello", 5))
    assert transcript.add(piece) is None
    assert transcript.close_before(1.4) is None
    closed = transcript.close_before(1.41)
    assert closed is not None and closed.text == "Hello"
    assert transcript.open_line is None
