"""Measuring what the codec carries, on a tiny one with random weights."""

from itertools import islice

import pytest
from kaiwa_server.codec.capacity import full_steps, measure_capacity
from kaiwa_server.codec.steppers import DecodeStepper, EncodeStepper
from kaiwa_server.models.mimi import Mimi
from tiny_mimi import TINY, tiny_mimi

MINUTE_S = 60.0  # no step takes as long
GIB = 2**30


@pytest.fixture
def mimi() -> Mimi:
    return tiny_mimi()


def test_a_frame_is_measured_there_and_back_at_full_contexts(mimi: Mimi) -> None:
    positions: dict[str, list[int]] = {"encoder": [], "decoder": []}
    for half, transformer in (
        ("encoder", mimi.encoder_transformer.transformer),
        ("decoder", mimi.decoder_transformer.transformer),
    ):
        transformer.register_forward_pre_hook(
            lambda _, call, half=half: positions[half].extend(call[1].position[call[2]].tolist())
        )
    assert all(0 < step_s < MINUTE_S for step_s in islice(full_steps(mimi, 3), 5))
    assert [min(of_half) for of_half in positions.values()] == 2 * [TINY.transformer.context]


def test_a_session_takes_the_memory_of_a_slot_in_both_directions(mimi: Mimi) -> None:
    slot_bytes = EncodeStepper(mimi, 1).slot_bytes + DecodeStepper(mimi, 1).slot_bytes
    capacity = measure_capacity(mimi, MINUTE_S, 5 * slot_bytes)
    assert (capacity.slots, capacity.limit) == (4, "memory")


def test_a_frame_that_nothing_can_make_is_one_slot_with_a_complaint(mimi: Mimi) -> None:
    capacity = measure_capacity(mimi, 1e-9, GIB)
    assert (capacity.slots, capacity.keeps_up) == (1, False)
