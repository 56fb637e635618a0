from kaiwa_training.lm.turns import Saying, Turns

GREETING = Saying(reply=9, start=6, length=30, asked=None)
LAST_GREETED = 35


def said(*questions: tuple[int, int, int]) -> list[Saying]:
    """What is said to questions of (reply, its length, the frame in which the speech ends)."""
    turns = Turns(GREETING, answers_after=5)
    for question in questions:
        turns.ask(*question)
    assert turns.end == turns.sayings[-1].end
    return turns.sayings[1:]


def test_an_answer_begins_five_frames_after_the_end_of_its_question() -> None:
    assert said((1, 20, 60)) == [Saying(reply=1, start=65, length=20, asked=60)]


def test_a_question_during_the_greeting_is_answered_after_it() -> None:
    assert said((1, 20, 12)) == [Saying(1, LAST_GREETED + 5, 20, asked=12)]


def test_of_two_questions_during_the_greeting_the_latest_is_answered() -> None:
    assert said((1, 20, 12), (2, 20, 30)) == [Saying(2, LAST_GREETED + 5, 20, asked=30)]


def test_a_question_that_ends_before_a_late_answer_begins_takes_its_place() -> None:
    assert said((1, 20, 30), (2, 20, 38)) == [Saying(2, 43, 20, asked=38)]


def test_an_answer_is_finished_before_the_question_that_interrupts_it_is_answered() -> None:
    assert said((1, 20, 60), (2, 10, 75)) == [
        Saying(1, 65, 20, asked=60),
        Saying(2, 84 + 5, 10, asked=75),
    ]


def test_a_question_after_an_answer_is_a_turn_of_its_own() -> None:
    assert said((1, 20, 60), (2, 10, 120))[1] == Saying(2, 125, 10, asked=120)
