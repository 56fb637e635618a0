"""Attention on a GPU gives what torch gives, from whatever part of the ring is filled."""

import pytest
import torch
from kaiwa_server.models.cuda.attention import LayerRing, attend
from kaiwa_server.models.ring_cache import TransformerState
from kaiwa_server.models.rope import rope_turns, rotate
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from triton_tests import HERE

SLOTS, HEADS = 5, 2


def filled_state(context: int, head_dim: int, dtype: torch.dtype) -> TransformerState:
    """A state whose slots have been filled by others, and hold numbers everywhere."""
    state = TransformerState(
        SLOTS,
        layers=1,
        heads=HEADS,
        context=context,
        head_dim=head_dim,
        device=HERE,
        dtype=dtype,
    )
    generator = torch.Generator(HERE).manual_seed(1)
    if state.scales is None:
        state.rings.normal_(generator=generator)
    else:
        state.rings.random_(-127, 128, generator=generator)
        state.scales.uniform_(0.01, 0.03, generator=generator)
    return state


def numbers(state: TransformerState) -> Tensor:
    """The layer's keys and values as they are meant, [2, S, H, context, Dh]."""
    ring = state.rings[0].float()
    return ring if state.scales is None else ring * state.scales[0][..., None]


def expected(
    state: TransformerState, joined: Tensor, rows: Tensor, positions: Tensor, turns: Tensor
) -> tuple[Tensor, Tensor]:
    """What torch makes of the same, and what the ring then holds."""
    ring = numbers(state)
    query, key = rotate(joined[:, :, :2], turns).float().unbind(2)
    window = state.window(rows, positions)
    ring[0][rows[:, None], :, window.places] = key
    ring[1][rows[:, None], :, window.places] = joined[:, :, 2].float()
    keys, values = ring[:, rows, :, : window.filled]
    seen = scaled_dot_product_attention(
        query.transpose(1, 2), keys, values, attn_mask=window.visible
    )
    return seen.transpose(1, 2).flatten(2), ring


@pytest.mark.parametrize(
    ("dtype", "near"),
    [(torch.float32, 1e-5), (torch.bfloat16, 0.02), (torch.int8, 0.02)],
    ids=["fp32", "bf16", "int8"],
)
@pytest.mark.parametrize(
    ("context", "head_dim", "count"),
    [(40, 16, 1), (300, 24, 1), (50, 64, 2)],
    ids=["one piece", "many pieces", "two positions"],
)
def test_it_sees_what_torch_sees(
    context: int, head_dim: int, count: int, dtype: torch.dtype, near: float
) -> None:
    """One session has gone round the ring, one is half way, one has just begun."""
    state = filled_state(context, head_dim, dtype)
    rows = torch.tensor([4, 1, 2], device=HERE)
    state.position[rows] = torch.tensor([2 * context + 7, context // 2, 0], device=HERE)
    positions = state.next_positions(rows, count)
    turns = rope_turns(positions, head_dim, 10_000.0)
    given = torch.float32 if dtype == torch.int8 else dtype
    generator = torch.Generator(HERE).manual_seed(2)
    shape = (len(rows), count, 3, HEADS, head_dim)
    joined = torch.randn(shape, generator=generator, device=HERE).to(given)
    seen, ring = expected(state, joined, rows, positions, turns)
    scales = None if state.scales is None else state.scales[0]
    found = attend(joined, turns, LayerRing(state.rings[0], scales), rows, positions)
    torch.testing.assert_close(found.float(), seen, atol=near, rtol=near)
    torch.testing.assert_close(numbers(state), ring, atol=near, rtol=near)


def test_a_place_that_was_not_written_since_the_reset_is_not_read() -> None:
    state = filled_state(40, 16, torch.float32)
    state.rings[:] = float("nan")
    rows = torch.tensor([3], device=HERE)
    for _ in range(3):
        positions = state.next_positions(rows, 1)
        joined = torch.ones(1, 1, 3, HEADS, 16, device=HERE)
        turns = rope_turns(positions, 16, 10_000.0)
        found = attend(joined, turns, LayerRing(state.rings[0], None), rows, positions)
        torch.testing.assert_close(found, torch.ones_like(found))
        state.advance(rows, positions)
