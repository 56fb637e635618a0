"""The step loop under a stepper whose steps the test lets through one by one."""

import queue
import threading
from collections import deque
from collections.abc import Iterator, Mapping

import pytest
from kaiwa_server.engine.step_loop import (
    FAILURES_TO_UNHEALTHY,
    HeldSlot,
    StepLoop,
    StepStats,
)
from kaiwa_server.errors import ModelFailed, ServiceFull

WAIT_S = 10


class CountingStepper:
    """Adds up each slot's inputs; a gate holds each step until the test opens it."""

    def __init__(self, slots: int = 3) -> None:
        self.slots = slots
        self.sums = [0] * slots
        self.batches: list[set[int]] = []
        self.entered = threading.Semaphore(0)
        self.gate = threading.Semaphore(0)

    def begin(self, slot: int, settings: int) -> None:
        self.sums[slot] = settings

    def step(self, inputs: Mapping[int, int]) -> Mapping[int, int]:
        self.batches.append(set(inputs))
        self.entered.release()
        assert self.gate.acquire(timeout=WAIT_S)
        for slot, value in inputs.items():
            if value < 0:
                raise ArithmeticError("a negative input")
            self.sums[slot] += value
        return {slot: self.sums[slot] for slot in inputs}

    def let_through(self, steps: int) -> None:
        for _ in range(steps):
            self.gate.release()


class Session:
    """Holds a slot and collects what is delivered."""

    def __init__(self, loop: StepLoop[int, int, int], start: int = 0) -> None:
        self._outputs: queue.Queue[int | ModelFailed] = queue.Queue()
        self.held: HeldSlot[int, int, int] = loop.open(start, self._outputs.put)

    def push(self, *values: int) -> None:
        for value in values:
            self.held.push(value)

    def next(self) -> int | ModelFailed:
        return self._outputs.get(timeout=WAIT_S)

    @property
    def heard_nothing(self) -> bool:
        return self._outputs.empty()


@pytest.fixture
def stepper() -> CountingStepper:
    return CountingStepper()


@pytest.fixture
def stats() -> "queue.Queue[StepStats]":
    return queue.Queue()


@pytest.fixture
def loop(
    stepper: CountingStepper, stats: "queue.Queue[StepStats]"
) -> Iterator[StepLoop[int, int, int]]:
    loop = StepLoop(stepper, name="test", on_step=stats.put)
    loop.start()
    yield loop
    stepper.let_through(100)
    loop.stop()


def test_inputs_of_a_slot_are_stepped_in_order(
    loop: StepLoop[int, int, int], stepper: CountingStepper
) -> None:
    session = Session(loop)
    stepper.let_through(3)
    session.push(1, 10, 100)
    assert [session.next(), session.next(), session.next()] == [1, 11, 111]


def test_a_step_takes_every_slot_that_waits(
    loop: StepLoop[int, int, int], stepper: CountingStepper, stats: "queue.Queue[StepStats]"
) -> None:
    first, second, third = (Session(loop) for _ in range(3))
    first.push(1)
    assert stepper.entered.acquire(timeout=WAIT_S)
    second.push(2)
    third.push(3)
    stepper.let_through(2)
    assert [first.next(), second.next(), third.next()] == [1, 2, 3]
    assert stepper.batches == [{0}, {1, 2}]
    assert [stats.get(timeout=WAIT_S).batch for _ in range(2)] == [1, 2]


def test_a_closed_slot_is_free_at_once_and_hears_nothing_more(
    loop: StepLoop[int, int, int], stepper: CountingStepper
) -> None:
    leaver, stayer = Session(loop), Session(loop)
    leaver.push(1, 1)
    assert stepper.entered.acquire(timeout=WAIT_S)
    leaver.held.close()
    leaver.held.close()
    assert loop.slots_used == 1
    stayer.push(5)
    stepper.let_through(2)
    assert stayer.next() == 5
    assert leaver.heard_nothing


def test_a_reused_slot_begins_anew_even_while_the_old_step_runs(
    loop: StepLoop[int, int, int], stepper: CountingStepper
) -> None:
    leaver = Session(loop)
    leaver.push(7)
    assert stepper.entered.acquire(timeout=WAIT_S)
    leaver.held.close()
    joiner = Session(loop, start=1000)
    assert joiner.held.slot == leaver.held.slot
    joiner.push(1)
    stepper.let_through(2)
    assert joiner.next() == 1001
    assert leaver.heard_nothing


def test_a_failed_step_ends_its_own_sessions_and_no_others(
    loop: StepLoop[int, int, int], stepper: CountingStepper
) -> None:
    broken, healthy = Session(loop), Session(loop)
    stepper.let_through(2)
    broken.push(-1, 4)
    failure = broken.next()
    assert isinstance(failure, ModelFailed)
    healthy.push(2)
    assert healthy.next() == 2
    assert broken.heard_nothing
    assert loop.slots_used == 2
    broken.held.close()
    assert loop.slots_used == 1


class ForgetfulStepper(CountingStepper):
    """Leaves out the slots whose input is 0."""

    def step(self, inputs: Mapping[int, int]) -> Mapping[int, int]:
        written = super().step(inputs)
        return {slot: written[slot] for slot, value in inputs.items() if value}


def test_a_stepper_that_leaves_a_slot_out_fails_its_sessions_and_no_others() -> None:
    stepper = ForgetfulStepper()
    loop = StepLoop(stepper, name="forgetful")
    loop.start()
    stepper.let_through(100)
    forgotten, healthy = Session(loop), Session(loop)
    forgotten.push(0)
    assert isinstance(forgotten.next(), ModelFailed)
    healthy.push(2)
    assert healthy.next() == 2
    loop.stop()


def test_a_full_loop_refuses_a_session(loop: StepLoop[int, int, int]) -> None:
    for _ in range(loop.slots):
        Session(loop)
    with pytest.raises(ServiceFull):
        Session(loop)


def test_a_closed_slot_ignores_what_is_pushed(
    loop: StepLoop[int, int, int], stepper: CountingStepper
) -> None:
    leaver, stayer = Session(loop), Session(loop)
    leaver.held.close()
    leaver.push(1)
    stepper.let_through(1)
    stayer.push(3)
    assert stayer.next() == 3
    assert stepper.batches == [{1}]


def test_stop_does_not_wait_for_a_step_that_hangs(
    stepper: CountingStepper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kaiwa_server.engine.step_loop.STOP_PATIENCE_S", 0.05)
    loop = StepLoop(stepper, name="hung")
    session = Session(loop)
    loop.start()
    session.push(1)
    assert stepper.entered.acquire(timeout=WAIT_S)
    stopping = threading.Thread(target=loop.stop)
    stopping.start()
    stopping.join(WAIT_S / 2)
    stopped = not stopping.is_alive()
    stepper.let_through(1)
    stopping.join()
    assert stopped


def test_a_step_that_hangs_is_unhealthy_until_it_ends(stepper: CountingStepper) -> None:
    loop = StepLoop(stepper, name="hanging", hang_s=0.0)
    loop.start()
    session = Session(loop)
    assert loop.healthy
    session.push(1)
    assert stepper.entered.acquire(timeout=WAIT_S)
    assert not loop.healthy
    stepper.let_through(1)
    session.next()
    loop.stop()
    assert loop.healthy


def test_failing_again_and_again_is_unhealthy_until_a_step_succeeds(
    loop: StepLoop[int, int, int], stepper: CountingStepper
) -> None:
    for _ in range(FAILURES_TO_UNHEALTHY):
        assert loop.healthy
        broken = Session(loop)
        stepper.let_through(1)
        broken.push(-1)
        assert isinstance(broken.next(), ModelFailed)
        broken.held.close()
    assert not loop.healthy
    working = Session(loop)
    stepper.let_through(1)
    working.push(1)
    working.next()
    assert loop.healthy


def test_stop_ends_the_thread_while_inputs_wait(stepper: CountingStepper) -> None:
    loop = StepLoop(stepper, name="stopped")
    session = Session(loop)
    loop.start()
    session.push(1, 1, 1)
    assert stepper.entered.acquire(timeout=WAIT_S)
    stepper.let_through(100)
    loop.stop()
    assert len(stepper.batches) <= 3


class SeenInputs(deque[int]):
    """Inputs that tell when the loop has seen that there are some."""

    def __init__(self) -> None:
        self.seen = threading.Semaphore(0)

    def __bool__(self) -> bool:
        if len(self):
            self.seen.release()
        return bool(len(self))


@pytest.fixture
def gathering(stepper: CountingStepper) -> Iterator[StepLoop[int, int, int]]:
    """A loop that waits for hours, but for a bound that a test may set."""
    loop = StepLoop(stepper, name="gathering", gather_s=3600.0)
    loop.start()
    stepper.let_through(100)
    yield loop
    loop.stop()


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kaiwa_server.engine.step_loop.MAX_INTERVAL_S", 3600.0)


@pytest.mark.usefixtures("patience")
def test_one_session_alone_waits_for_nobody(gathering: StepLoop[int, int, int]) -> None:
    session = Session(gathering)
    for total in (1, 2, 3):
        session.push(1)
        assert session.next() == total


@pytest.mark.usefixtures("patience")
def test_inputs_gather_until_every_session_has_one(
    gathering: StepLoop[int, int, int], stepper: CountingStepper
) -> None:
    first, second, third = (Session(gathering) for _ in range(3))
    first.push(1)
    assert first.next() == 1  # nothing was stepped before it
    first.push(1)
    second.push(2)
    third.push(3)
    assert [first.next(), second.next(), third.next()] == [2, 2, 3]
    assert stepper.batches == [{0}, {0, 1, 2}]


@pytest.mark.usefixtures("patience")
def test_a_session_that_leaves_is_waited_for_no_longer(
    gathering: StepLoop[int, int, int], stepper: CountingStepper
) -> None:
    stayer, leaver = Session(gathering), Session(gathering)
    stayer.held.inputs = inputs = SeenInputs()
    for _ in range(2):
        stayer.push(1)
        assert inputs.seen.acquire(timeout=WAIT_S)
    leaver.held.close()
    assert [stayer.next(), stayer.next()] == [1, 2]
    assert stepper.batches == [{0}, {0}]


def test_however_many_sessions_there_are_none_is_waited_for_longer_than_the_bound(
    gathering: StepLoop[int, int, int],
) -> None:
    sayer, _silent, _other = (Session(gathering) for _ in range(3))
    sayer.push(1, 1, 1)
    assert [sayer.next() for _ in range(3)] == [1, 2, 3]


@pytest.mark.usefixtures("patience")
def test_a_loop_that_lets_inputs_gather_stops_at_once(
    gathering: StepLoop[int, int, int], caplog: pytest.LogCaptureFixture
) -> None:
    sayer, _silent = Session(gathering), Session(gathering)
    sayer.held.inputs = inputs = SeenInputs()
    for _ in range(2):
        sayer.push(1)
        assert inputs.seen.acquire(timeout=WAIT_S)
    assert sayer.next() == 1
    gathering.stop()
    assert sayer.heard_nothing
    assert not caplog.records  # it would say that the thread was left behind
