from kaiwa_training.lm.turns import Manners, Saying, Turns

GREETING = Saying(reply=9, start=6, length=30, asked=None)


def said(*questions: tuple[int, int, int, int]) -> list[Saying]:
    """What is said, the greeting first, to questions of (reply, its length, speech from, to)."""
    turns = Turns(GREETING, Manners(answers_after=5, breaks_off_after=6, begins_none_after=2))
    for question in questions:
        turns.ask(*question)
    assert turns.end == turns.sayings[-1].end
    return turns.sayings


def test_an_answer_begins_five_frames_after_the_end_of_its_question() -> None:
    assert said((1, 20, 40, 60)) == [GREETING, Saying(reply=1, start=65, length=20, asked=60)]


def test_a_question_after_an_answer_is_a_turn_of_its_own() -> None:
    assert said((1, 20, 40, 60), (2, 10, 90, 120))[1:] == [
        Saying(1, 65, 20, asked=60),
        Saying(2, 125, 10, asked=120),
    ]


def test_who_is_interrupted_breaks_off_listens_and_answers() -> None:
    assert said((1, 20, 40, 60), (2, 10, 70, 90))[1:] == [
        Saying(1, 65, 11, asked=60),
        Saying(2, 95, 10, asked=90),
    ]


def test_the_greeting_is_broken_off_too() -> None:
    assert said((1, 20, 12, 30)) == [Saying(9, 6, 12, None), Saying(1, 35, 20, asked=30)]


def test_a_reply_that_is_nearly_over_is_finished() -> None:
    assert said((1, 20, 40, 60), (2, 10, 82, 95))[1] == Saying(1, 65, 20, asked=60)


def test_no_reply_begins_while_somebody_speaks() -> None:
    assert said((1, 20, 40, 60), (2, 20, 61, 80)) == [GREETING, Saying(2, 85, 20, asked=80)]
    assert said((1, 20, 0, 20)) == [Saying(1, 25, 20, asked=20)]


def test_a_reply_that_has_just_begun_when_somebody_speaks_is_broken_off() -> None:
    assert said((1, 20, 40, 60), (2, 20, 63, 80))[1] == Saying(1, 65, 4, asked=60)


def test_who_begins_too_early_goes_on() -> None:
    turns = Turns(GREETING, Manners(answers_after=5, breaks_off_after=6, begins_none_after=2))
    turns.ask(1, 20, 40, 60, early=9)
    assert turns.sayings == [GREETING, Saying(1, 56, 20, asked=60)]
