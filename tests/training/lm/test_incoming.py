from pathlib import Path

import pytest
from kaiwa_training.lm.incoming import IncomingQuestions
from training.lm.toy import ToyWorld

WORLD = ToyWorld()


def test_stores_are_taken_in_as_they_come(tmp_path: Path) -> None:
    questions = IncomingQuestions(tmp_path, words=0)
    WORLD.questions(2, seed=1).save(tmp_path / "b.npz")
    WORLD.questions(3, seed=2).save(tmp_path / "a.npz")
    assert questions.more
    assert len(questions.look()) == 5
    assert not questions.more
    WORLD.questions(4, seed=3).save(tmp_path / "0.npz")
    assert questions.more
    assert len(questions.look()) == 9
    assert len(questions.look()) == 9


def test_a_store_that_is_still_being_written_is_not_seen(tmp_path: Path) -> None:
    (tmp_path / "a.npz.new").write_bytes(b"half")
    assert not IncomingQuestions(tmp_path, words=0).more


def test_a_folder_without_questions_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="found none"):
        IncomingQuestions(tmp_path, words=0).look()


def test_questions_with_more_words_than_are_told_apart_are_refused(tmp_path: Path) -> None:
    WORLD.questions(30, seed=1).save(tmp_path / "a.npz")
    assert len(IncomingQuestions(tmp_path, words=WORLD.codebook_size).look()) == 30
    with pytest.raises(ValueError, match="expected words below 7"):
        IncomingQuestions(tmp_path, words=7).look()
