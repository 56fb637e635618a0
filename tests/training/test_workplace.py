"""Every stage finds what it needs in the one folder of its training."""

from pathlib import Path

from kaiwa_training.workplace import Workplace

PLACE = Workplace(Path("here"))
NAMES = [name for name in vars(Workplace) if isinstance(vars(Workplace)[name], property)]


def test_all_of_it_is_in_the_folder() -> None:
    assert len(NAMES) >= 13
    assert all(PLACE.folder in getattr(PLACE, name).parents for name in NAMES)


def test_no_two_things_share_a_file() -> None:
    files = [path for name in NAMES if (path := getattr(PLACE, name)).suffix]
    assert len(set(files)) == len(files) >= 7


def test_what_is_handed_out_is_apart_from_what_it_was_made_of() -> None:
    others = [getattr(PLACE, name) for name in NAMES if name != "model"]
    assert not any(path == PLACE.model or PLACE.model in path.parents for path in others)


def test_questions_to_train_on_are_apart_from_those_to_judge_by() -> None:
    assert PLACE.questions != PLACE.judged
    assert PLACE.questions not in PLACE.judged.parents
    assert PLACE.judged not in PLACE.questions.parents


def test_the_trainings_leave_their_checkpoints_where_the_next_stages_look() -> None:
    assert PLACE.encoder == PLACE.codec / "encoder.pt"
    assert PLACE.decoder == PLACE.codec / "decoder.pt"
