"""A long stage says now and then where it is and how long it will take."""

import pytest
from kaiwa_training import progress
from kaiwa_training.progress import EVERY_S, shown


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_it_names_the_stage_the_step_and_the_figures(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with shown("decoder", 200) as show:
        show(1, {"spectral": 0.12345, "judged": 2})
    (line,) = lines(capsys)
    assert line.startswith("decoder 1/200, ")
    assert line.endswith("spectral 0.123  judged 2.000")


def test_it_speaks_no_more_often_than_agreed(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with shown("lm", 1_000) as show:
        for step in range(1, 62):
            show(step, {})
            clock.now_s += 1
    assert len(lines(capsys)) == 1 + 60 // EVERY_S


def test_it_tells_the_last_step_in_any_case(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with shown("lm", 3) as show:
        for step in (1, 2, 3):
            show(step, {})
    assert [line.split(",")[0] for line in lines(capsys)] == ["lm 1/3", "lm 3/3"]


def test_it_tells_each_judgement(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with shown("encoder", 100) as show:
        for step in range(1, 5):
            show(step, {"both_meaning_accuracy": 0.5} if step == 3 else {})
    assert [line.split(",")[0] for line in lines(capsys)] == ["encoder 1/100", "encoder 3/100"]


def test_what_is_left_is_reckoned_from_this_run_alone(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run that goes on at step 500 has not made the 500 steps before it."""
    with shown("lm", 1_000) as show:
        show(500, {})
        clock.now_s += 600
        show(600, {})
    assert lines(capsys)[-1].startswith("lm 600/1000, 40 min left")


def test_a_long_line_is_not_broken(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with shown("encoder", 100) as show:
        show(1, {f"a_figure_with_a_long_name_{i}": 0.5 for i in range(20)})
    assert len(lines(capsys)) == 1
