"""Measuring what the language model carries, on a tiny one with random weights."""

from itertools import islice

from kaiwa_server.engine.capacity import MOST_SLOTS
from kaiwa_server.lm.capacity import full_steps, measure_capacity
from kaiwa_server.lm.settings import LmSettings
from kaiwa_server.lm.stepper import LmStepper
from models.tiny_lm import TINY, tiny_lm

MINUTE_S = 60.0  # no step takes as long
GIB = 2**30


def test_sessions_are_measured_at_full_contexts() -> None:
    lm, positions = tiny_lm(), list[int]()
    lm.transformer.register_forward_pre_hook(
        lambda _, call: positions.extend(call[1].position[call[2]].tolist())
    )
    assert all(0 < step_s < MINUTE_S for step_s in islice(full_steps(lm, 3), 5))
    assert min(positions) == TINY.temporal.context


def test_a_filled_stepper_begins_a_session_as_a_fresh_one_does() -> None:
    filled, fresh = LmStepper(tiny_lm(), 2), LmStepper(tiny_lm(), 2)
    filled.fill()
    assert filled.step({1: None})[1].record.step == TINY.temporal.context
    for stepper in (filled, fresh):
        stepper.begin(1, LmSettings(seed=3))
    for _ in range(2 * TINY.temporal.context):
        assert filled.step({1: None}) == fresh.step({1: None})


def test_what_a_tiny_model_carries_is_bounded_by_the_cap_or_by_memory() -> None:
    slot_bytes = LmStepper(tiny_lm(), 1).slot_bytes
    assert measure_capacity(tiny_lm(), MINUTE_S, GIB).slots == MOST_SLOTS
    capacity = measure_capacity(tiny_lm(), MINUTE_S, 10 * slot_bytes)
    assert (capacity.slots, capacity.limit) == (8, "memory")


def test_a_step_that_nothing_can_make_is_one_slot_with_a_complaint() -> None:
    capacity = measure_capacity(tiny_lm(), 1e-9, GIB)
    assert (capacity.slots, capacity.keeps_up) == (1, False)
