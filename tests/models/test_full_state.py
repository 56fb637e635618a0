"""The states of long sessions: how a step of theirs is had at once, and what they take."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from kaiwa_server.models.delays import NO_INPUT
from kaiwa_server.models.lm import LmState
from kaiwa_server.models.mimi import MimiState
from kaiwa_server.models.sampling import SamplingRows
from models.tiny_lm import TINY, tiny_lm
from tiny_mimi import any_codes, noise, tiny_mimi
from torch import Tensor

FRAMES = 20  # more than any context here


@dataclass(frozen=True)
class Model:
    """One of the three that step, so that each property is said once for all of them."""

    new_state: Callable[[int], Any]
    step: Callable[[Any, int, int], Tensor]
    """What a slot writes on its frame of that number."""

    def stream(self, state: Any, slot: int) -> Tensor:
        return torch.stack([self.step(state, slot, frame) for frame in range(FRAMES)])


def language_model() -> Model:
    lm = tiny_lm()
    heard = torch.randint(TINY.codebook_size, (FRAMES, 1, TINY.codebooks))
    heard[0] = NO_INPUT
    drawn = torch.zeros(1, 1 + TINY.codebooks)

    def step(state: LmState, slot: int, frame: int) -> Tensor:
        rows = torch.tensor([slot])
        text, audio = lm.step(state, rows, heard[frame], SamplingRows.greedy(1), drawn)
        return torch.cat((text[:, None], audio), dim=1)

    return Model(lm.new_state, step)


def encoder() -> Model:
    mimi, sound = tiny_mimi(), noise(FRAMES, 1).chunk(FRAMES, dim=-1)

    def step(state: MimiState, slot: int, frame: int) -> Tensor:
        return mimi.encode_latent(state, torch.tensor([slot]), sound[frame])

    return Model(mimi.new_encoder_state, step)


def decoder() -> Model:
    mimi, codes = tiny_mimi(), any_codes(FRAMES, 1).chunk(FRAMES, dim=-1)

    def step(state: MimiState, slot: int, frame: int) -> Tensor:
        return mimi.decode(state, torch.tensor([slot]), codes[frame])

    return Model(mimi.new_decoder_state, step)


@pytest.fixture(params=[language_model, encoder, decoder], ids=lambda make: make.__name__)
def model(request: pytest.FixtureRequest) -> Model:
    made: Model = request.param()
    return made


def test_a_full_slot_attends_to_all_of_its_ring() -> None:
    state = tiny_lm().new_state(3).transformer
    state.fill()
    rows = torch.tensor([0, 2])
    positions = state.next_positions(rows, 1)
    assert positions.tolist() == [[TINY.temporal.context]] * 2
    window = state.window(rows, positions)
    assert window.filled == TINY.temporal.context
    assert window.visible.all()


def test_a_full_slot_goes_on_stepping(model: Model) -> None:
    state = model.new_state(2)
    state.fill()
    assert model.stream(state, 1).isfinite().all()


def test_reset_undoes_fill(model: Model) -> None:
    state = model.new_state(2)
    state.fill()
    model.step(state, 1, 0)
    state.reset(1)
    fresh = model.stream(model.new_state(2), 1)
    assert torch.equal(model.stream(state, 1), fresh)


def tensors_in(thing: object) -> Iterator[Tensor]:
    """Every tensor that an object holds, itself or through what it holds."""
    if isinstance(thing, Tensor):
        yield thing
    elif isinstance(thing, list | tuple | dict):
        for part in thing.values() if isinstance(thing, dict) else thing:
            yield from tensors_in(part)
    elif type(thing).__module__.startswith("kaiwa_server"):
        yield from tensors_in(vars(thing))


@pytest.mark.parametrize("slots", [1, 11])
def test_its_memory_is_that_of_the_tensors_that_have_a_row_for_each_slot(
    model: Model, slots: int
) -> None:
    state = model.new_state(slots)
    held = [tensor for tensor in tensors_in(state) if tensor.shape[0] == slots]
    assert len(held) > 4
    assert state.memory_bytes == sum(tensor.nbytes for tensor in held)
    assert state.memory_bytes == slots * model.new_state(1).memory_bytes
