"""The transformer's streaming properties, on a tiny one with random weights."""

import pytest
import torch
from kaiwa_server.models.packing import pack_for_cpu
from kaiwa_server.models.ring_cache import TransformerState
from kaiwa_server.models.transformer import Transformer, TransformerConfig
from models.needs import needs_kernels
from torch import Tensor

CONTEXT = 6
MIMI_LIKE = TransformerConfig(16, 2, 2, 32, CONTEXT, "layer_norm", "none", layer_scale=0.5)
MOSHI_LIKE = TransformerConfig(16, 2, 2, 24, CONTEXT, "rms_norm_f32", "silu")


@pytest.fixture(params=[MIMI_LIKE, MOSHI_LIKE], ids=["mimi", "moshi"])
def config(request: pytest.FixtureRequest) -> TransformerConfig:
    return request.param


@pytest.fixture(params=["torch", pytest.param("kernels", marks=needs_kernels)])
def transformer(request: pytest.FixtureRequest, config: TransformerConfig) -> Transformer:
    torch.manual_seed(1)
    transformer = Transformer(config).eval().requires_grad_(False)
    if request.param == "kernels":
        pack_for_cpu(transformer, "fp32")
    return transformer


def noise(rows: int, steps: int, seed: int) -> Tensor:
    return torch.randn(rows, steps, 16, generator=torch.Generator().manual_seed(seed))


def stream(
    transformer: Transformer, state: TransformerState, slot: int, x: Tensor, piece: int
) -> Tensor:
    row = torch.tensor([slot])
    return torch.cat([transformer(part, state, row) for part in x.split(piece, dim=1)], dim=1)


@pytest.mark.parametrize("piece", [1, 2, 3])
def test_pieces_equal_the_whole_while_the_ring_is_not_full(
    transformer: Transformer, piece: int
) -> None:
    x = noise(1, CONTEXT, seed=2)
    whole = transformer(x, transformer.new_state(1), torch.tensor([0]))
    torch.testing.assert_close(stream(transformer, transformer.new_state(1), 0, x, piece), whole)


def test_a_position_does_not_see_those_after_it(transformer: Transformer) -> None:
    x = noise(1, CONTEXT, seed=3)
    changed = x.clone()
    changed[:, 4:] *= -1.0
    row = torch.tensor([0])
    before = transformer(x, transformer.new_state(1), row)
    after = transformer(changed, transformer.new_state(1), row)
    torch.testing.assert_close(after[:, :4], before[:, :4])
    assert not torch.allclose(after[:, 4:], before[:, 4:])


def test_one_layer_forgets_what_is_older_than_the_context_and_nothing_else() -> None:
    torch.manual_seed(4)
    config = TransformerConfig(16, 2, 1, 32, CONTEXT, "layer_norm", "none")
    transformer = Transformer(config).requires_grad_(False)
    x = noise(1, 2 * CONTEXT, seed=5)

    def last_after_a_change_at(position: int) -> Tensor:
        changed = x.clone()
        changed[:, position] *= -1.0
        return stream(transformer, transformer.new_state(1), 0, changed, piece=1)[:, -1]

    unchanged = stream(transformer, transformer.new_state(1), 0, x, piece=1)[:, -1]
    assert torch.equal(last_after_a_change_at(CONTEXT - 1), unchanged)
    assert not torch.allclose(last_after_a_change_at(CONTEXT), unchanged)


def test_positions_are_relative_and_go_on_growing_after_the_ring_has_wrapped() -> None:
    torch.manual_seed(6)
    config = TransformerConfig(16, 2, 1, 32, CONTEXT, "layer_norm", "none")
    transformer = Transformer(config).requires_grad_(False)
    x = noise(1, CONTEXT, seed=7)
    late = transformer.new_state(1)
    stream(transformer, late, 0, noise(1, 3 * CONTEXT + 1, seed=8), piece=1)
    assert late.position.tolist() == [3 * CONTEXT + 1]
    late_last = stream(transformer, late, 0, x, piece=1)[:, -1]
    early_last = stream(transformer, transformer.new_state(1), 0, x, piece=1)[:, -1]
    torch.testing.assert_close(late_last, early_last)


@pytest.mark.parametrize("rows", [[0, 1, 2], [1, 2], [2, 0], [1]], ids=str)
def test_a_row_does_not_depend_on_its_neighbours(transformer: Transformer, rows: list[int]) -> None:
    state = transformer.new_state(3)
    inputs = {slot: noise(1, 2 * CONTEXT, seed=slot) for slot in rows}
    for slot in rows:  # the slots stand at different positions when they start to step together
        stream(transformer, state, slot, inputs[slot][:, : slot + 1], piece=1)
    together = [
        transformer(
            torch.cat([inputs[slot][:, slot + 1 + step, None] for slot in rows]),
            state,
            torch.tensor(rows),
        )
        for step in range(CONTEXT + 2)
    ]
    for row, slot in enumerate(rows):
        alone = stream(transformer, transformer.new_state(1), 0, inputs[slot], piece=1)
        torch.testing.assert_close(
            torch.cat(together, dim=1)[row], alone[0, slot + 1 : slot + CONTEXT + 3]
        )


@pytest.mark.parametrize("used", [2, 3 * CONTEXT])
def test_reset_equals_fresh(transformer: Transformer, used: int) -> None:
    state = transformer.new_state(2)
    stream(transformer, state, 1, noise(1, used, seed=9), piece=1)
    state.reset(1)
    x = noise(1, CONTEXT + 2, seed=10)
    fresh = stream(transformer, transformer.new_state(2), 1, x, piece=2)
    assert torch.equal(stream(transformer, state, 1, x, piece=2), fresh)


def test_a_session_that_broke_leaves_nothing_in_its_slot(transformer: Transformer) -> None:
    state = transformer.new_state(2)
    broken = torch.full((1, 2 * CONTEXT, 16), torch.nan)
    assert stream(transformer, state, 1, broken, piece=1).isnan().all()
    state.reset(1)
    stream(transformer, state, 0, noise(1, CONTEXT, seed=13), piece=1)
    both = transformer(noise(2, 1, seed=14), state, torch.tensor([0, 1]))
    assert both.isfinite().all()


def test_a_slot_that_is_not_stepped_does_not_move(transformer: Transformer) -> None:
    state = transformer.new_state(3)
    stream(transformer, state, 1, noise(1, 4, seed=11), piece=1)
    kept = state.rings[:, :, 1].clone()
    both = torch.tensor([0, 2])
    for step in range(2 * CONTEXT):
        transformer(noise(2, 1, seed=step), state, both)
    assert state.position.tolist() == [2 * CONTEXT, 4, 2 * CONTEXT]
    assert torch.equal(state.rings[:, :, 1], kept)


def test_it_keeps_the_precision_of_its_weights() -> None:
    transformer = Transformer(MOSHI_LIKE).to(torch.bfloat16).requires_grad_(False)
    state = transformer.new_state(1)
    assert state.rings.dtype == torch.bfloat16
    out = transformer(noise(1, 1, seed=12).bfloat16(), state, torch.tensor([0]))
    assert out.dtype == torch.bfloat16


def test_its_parameters_have_the_names_of_kyutais_newer_checkpoints() -> None:
    mimi_layer = {
        f"layers.1.{name}"
        for name in (
            *("self_attn.in_projs.0.weight", "self_attn.out_projs.0.weight"),
            *("norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias"),
            *("linear1.weight", "linear2.weight"),
            *("layer_scale_1.scale", "layer_scale_2.scale"),
        )
    }
    moshi_layer = {
        f"layers.1.{name}"
        for name in (
            *("self_attn.in_projs.0.weight", "self_attn.out_projs.0.weight"),
            *("norm1.alpha", "norm2.alpha"),
            *("gating.linear_in.weight", "gating.linear_out.weight"),
        )
    }
    for config, expected in ((MIMI_LIKE, mimi_layer), (MOSHI_LIKE, moshi_layer)):
        names = Transformer(config).state_dict().keys()
        assert {name for name in names if name.startswith("layers.1.")} == expected
