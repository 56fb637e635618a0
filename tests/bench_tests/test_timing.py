"""Programs take turns, and only their steps are timed."""

from bench.timing import take_turns


class FakeClock:
    """Stands still unless somebody works; the process has half of the core."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def wall_s(self) -> float:
        return self.now_s

    def cpu_s(self) -> float:
        return self.now_s / 2


class FakeProgram:
    """Takes so long for a step, and writes down that it has its turn."""

    def __init__(self, name: str, step_s: float, clock: FakeClock, diary: list[str]) -> None:
        self.name = name
        self._step_s = step_s
        self._clock = clock
        self._diary = diary

    def step(self) -> None:
        self._clock.now_s += self._step_s
        self._diary.append(self.name)


def test_each_program_has_a_turn_in_each_round_and_who_is_first_changes() -> None:
    clock, diary = FakeClock(), list[str]()
    programs = [FakeProgram(name, 1.0, clock, diary) for name in "ab"]
    take_turns(programs, rounds=3, steps=1, warmup_steps=0, clock=clock)
    assert "".join(diary) == "abbaab"


def test_the_steps_of_a_turn_are_timed_one_by_one_and_those_to_warm_up_are_not() -> None:
    clock, diary = FakeClock(), list[str]()
    slow = FakeProgram("slow", 0.5, clock, diary)
    quick = FakeProgram("quick", 0.25, clock, diary)
    turns = take_turns([slow, quick], rounds=2, steps=3, warmup_steps=4, clock=clock)
    assert diary.count("slow") == 2 * (3 + 4)
    assert [turn.wall_ms for turn in turns["slow"]] == [(500.0, 500.0, 500.0)] * 2
    assert [turn.wall_ms for turn in turns["quick"]] == [(250.0, 250.0, 250.0)] * 2


def test_what_the_process_has_of_its_core_is_timed_beside_the_wall() -> None:
    clock, diary = FakeClock(), list[str]()
    turns = take_turns([FakeProgram("a", 0.5, clock, diary)], 1, 2, 0, clock)
    assert turns["a"][0].cpu_ms == (250.0, 250.0)
