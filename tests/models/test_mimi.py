"""Mimi's streaming properties, on a tiny one with random weights."""

from collections.abc import Callable

import pytest
import torch
from kaiwa_server.models.mimi import Mimi, MimiState
from models.needs import needs_kernels
from models.served import as_served
from tiny_mimi import TINY, any_codes, noise, tiny_mimi
from torch import Tensor

FRAMES = 7  # more than the context of 4


class Half:
    """One half of the codec, so that each property is said once for both."""

    def __init__(self, mimi: Mimi, encodes: bool) -> None:
        self.new_state: Callable[[int], MimiState] = (
            mimi.new_encoder_state if encodes else mimi.new_decoder_state
        )
        self.step: Callable[[MimiState, Tensor, Tensor], Tensor] = (
            mimi.encode_latent if encodes else mimi.decode
        )
        self.inputs: Callable[[int, int], Tensor] = noise if encodes else any_codes

    def stream(self, state: MimiState, slot: int, inputs: Tensor, frames: int) -> Tensor:
        """The outputs of a slot that is given `frames` frames in each call."""
        row = torch.tensor([slot])
        pieces = inputs.chunk(FRAMES // frames, dim=-1)
        return torch.cat([self.step(state, row, piece) for piece in pieces], dim=-1)


@pytest.fixture(params=["torch", pytest.param("kernels", marks=needs_kernels)])
def mimi(request: pytest.FixtureRequest) -> Mimi:
    return as_served(tiny_mimi()) if request.param == "kernels" else tiny_mimi()


@pytest.fixture(params=[True, False], ids=["encoder", "decoder"])
def half(request: pytest.FixtureRequest, mimi: Mimi) -> Half:
    return Half(mimi, encodes=request.param)


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_pieces_equal_the_whole(half: Half) -> None:
    inputs = half.inputs(FRAMES, 1)
    whole = half.stream(half.new_state(1), 0, inputs, frames=FRAMES)
    close(half.stream(half.new_state(1), 0, inputs, frames=1), whole)


def test_sessions_that_join_and_leave_do_not_hear_each_other(half: Half) -> None:
    inputs = {slot: half.inputs(FRAMES, slot) for slot in range(3)}
    frames = {slot: given.chunk(FRAMES, dim=-1) for slot, given in inputs.items()}
    joins = {0: 0, 1: 2, 2: 5}
    state, together = half.new_state(3), {slot: list[Tensor]() for slot in inputs}
    for step in range(FRAMES + max(joins.values())):
        slots = [slot for slot, joined in joins.items() if 0 <= step - joined < FRAMES]
        given = torch.cat([frames[slot][step - joins[slot]] for slot in slots])
        for slot, out in zip(slots, half.step(state, torch.tensor(slots), given), strict=True):
            together[slot].append(out)
    for slot, outs in together.items():
        alone = half.stream(half.new_state(1), 0, inputs[slot], frames=1)
        close(torch.cat(outs, dim=-1), alone[0])


def test_reset_equals_fresh(half: Half) -> None:
    state = half.new_state(2)
    half.stream(state, 1, half.inputs(FRAMES, 2), frames=1)
    state.reset(1)
    inputs = half.inputs(FRAMES, 3)
    fresh = half.stream(half.new_state(2), 1, inputs, frames=1)
    assert torch.equal(half.stream(state, 1, inputs, frames=1), fresh)


def test_a_slot_that_is_not_stepped_does_not_move(half: Half) -> None:
    inputs = half.inputs(FRAMES, 4)
    first, *later = inputs.chunk(FRAMES, dim=-1)
    state, row = half.new_state(3), torch.tensor([1])
    half.step(state, row, first)
    for seed in range(FRAMES):
        others = torch.cat((half.inputs(1, seed), half.inputs(1, seed + 50)))
        half.step(state, torch.tensor([2, 0]), others)
    outs = [half.step(state, row, frame) for frame in later]
    alone = half.stream(half.new_state(3), 1, inputs, frames=1)
    assert torch.equal(torch.cat(outs, dim=-1), alone[..., outs[0].shape[-1] :])


def test_an_output_does_not_depend_on_later_frames(half: Half) -> None:
    inputs, others = half.inputs(FRAMES, 5), half.inputs(FRAMES, 6)
    middle = inputs.shape[-1] // FRAMES * 3
    changed = torch.cat((inputs[..., :middle], others[..., middle:]), dim=-1)
    before = half.stream(half.new_state(1), 0, inputs, frames=1)
    after = half.stream(half.new_state(1), 0, changed, frames=1)
    kept = before.shape[-1] // FRAMES * 3
    assert torch.equal(before[..., :kept], after[..., :kept])
    assert not torch.equal(before[..., kept:], after[..., kept:])


def test_a_frame_of_sound_is_one_token_in_each_codebook_and_back() -> None:
    mimi, rows = tiny_mimi(), torch.tensor([0, 1])
    pcm = torch.cat((noise(1, 7), noise(1, 8)))
    codes = mimi.encode(mimi.new_encoder_state(2), rows, pcm)
    assert codes.shape == (2, TINY.num_codebooks, 1)
    assert codes.dtype == torch.int64
    assert mimi.decode(mimi.new_decoder_state(2), rows, codes).shape == pcm.shape
