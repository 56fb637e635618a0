"""The kernels' way through the convolutions of SEANet, beside torch's."""

import copy
import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from kaiwa_server.models.conv import CausalConv1d, ConvState
from kaiwa_server.models.packing import pack
from kaiwa_server.models.products import KernelProduct, Precision
from kaiwa_server.models.seanet import (
    SeanetConfig,
    SeanetDecoder,
    SeanetEncoder,
    StreamingStack,
)
from models.needs import needs_kernels
from torch import Tensor, nn

pytestmark = needs_kernels

CONFIG = SeanetConfig(dimension=40, n_filters=6, ratios=(4, 3, 2))
"""Channels that fill no register."""

WIDE = SeanetConfig(dimension=40, n_filters=12, ratios=(2,))
"""A session alone has little even at the rate of samples."""

FEW_TIMES, CHANNELS = 35, 250
"""So many weights that all sessions go together, and each has more times than are gathered."""

SLOTS = 7
ROUNDED = 0.02
"""What eight bits of each weight, or of each factor, may cost, relative to all."""

precisions = pytest.mark.parametrize(
    ("precision", "tolerance"), [("fp32", 1e-6), ("int8", ROUNDED), ("bf16", ROUNDED)]
)
halves = pytest.mark.parametrize("half", [SeanetEncoder, SeanetDecoder])


def seanet(half: type[nn.Module], config: SeanetConfig = CONFIG) -> nn.Module:
    torch.manual_seed(1)
    return half(config).requires_grad_(False)


def packed(model: nn.Module, precision: Precision) -> nn.Module:
    model = copy.deepcopy(model)
    pack(model, partial(KernelProduct, precision=precision))
    return model


def wide_row() -> nn.Module:
    torch.manual_seed(1)
    convolutions = [CausalConv1d(CHANNELS, CHANNELS, 3) for _ in range(2)]
    return StreamingStack([convolutions[0], nn.ELU(), convolutions[1]]).requires_grad_(False)


def given_to_wide_row(sessions: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(sessions, FEW_TIMES, CHANNELS, generator=generator)


def given(
    half: type[nn.Module], sessions: int, latents: int, seed: int, config: SeanetConfig = CONFIG
) -> Tensor:
    """What that half takes in for so many latents, [B, T, C]."""
    samples = latents * math.prod(config.ratios)
    shape = (samples, 1) if half is SeanetEncoder else (latents, config.dimension)
    return torch.randn(sessions, *shape, generator=torch.Generator().manual_seed(seed))


@halves
@precisions
@pytest.mark.parametrize("latents", [1, 2, 40, 300])
@pytest.mark.parametrize("slots", [[5], [4, 0], [3, 6, 1, 0, 5]])
@pytest.mark.parametrize("config", [CONFIG, WIDE])
def test_convolutions_stream_as_torch_s_do(
    half: type[nn.Module],
    precision: Precision,
    tolerance: float,
    latents: int,
    slots: list[int],
    config: SeanetConfig,
) -> None:
    """With few latents nearly all go for all sessions together, with many session by session."""
    exact = seanet(half, config)
    ours = packed(exact, precision)
    states = ConvState(SLOTS, exact), ConvState(SLOTS, ours)
    rows = torch.tensor(slots)
    for call in range(3):
        x = given(half, len(slots), latents, call, config)
        expected, found = (
            model(x, state, rows) for model, state in zip((exact, ours), states, strict=True)
        )
        assert found.shape == expected.shape
        assert (found - expected).norm() <= tolerance * expected.norm()


@precisions
def test_sessions_that_go_together_with_many_times_each_do_so_too(
    precision: Precision, tolerance: float
) -> None:
    exact = wide_row()
    ours = packed(exact, precision)
    states = ConvState(SLOTS, exact), ConvState(SLOTS, ours), ConvState(SLOTS, ours)
    for call in range(3):
        x, rows = given_to_wide_row(3, seed=call), torch.tensor([4, 0, 2])
        expected, found = exact(x, states[0], rows), ours(x, states[1], rows)
        assert (found - expected).norm() <= tolerance * expected.norm()
        assert torch.equal(ours(x[1:2], states[2], rows[1:2])[0], found[1])
    x[1] = torch.nan
    for _ in range(2):
        spoilt = ours(x, states[1], rows).isnan().flatten(1).any(dim=1)
        assert spoilt.tolist() == [False, True, False]


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_an_only_output_comes_first_in_any_precision(precision: Precision) -> None:
    """Its weights are in fp32 always, those after it are not."""
    torch.manual_seed(1)
    exact = StreamingStack([CausalConv1d(4, 1, 3), nn.ELU(), CausalConv1d(1, 40, 5)])
    ours = packed(exact.requires_grad_(False), precision)
    x, rows = given(SeanetDecoder, 2, 30, 1)[:, :, :4].contiguous(), torch.arange(2)
    expected, found = (model(x, ConvState(2, model), rows) for model in (exact, ours))
    assert (found - expected).norm() <= ROUNDED * expected.norm()


@pytest.mark.parametrize(("precision", "rounding"), [("fp32", 2**-20), ("bf16", 2**-8)])
def test_what_lies_between_two_convolutions_is_elu(precision: Precision, rounding: float) -> None:
    """To all bits of what the second one reads: here both leave what they take in as it is."""
    same = StreamingStack([CausalConv1d(8, 8, 1, bias=False), CausalConv1d(8, 8, 1, bias=False)])
    for module in same.requires_grad_(False).modules():
        if isinstance(module, nn.Conv1d):
            module.weight[:, :, 0] = torch.eye(8)
    pack(same, partial(KernelProduct, precision=precision))
    x = torch.linspace(-30, 30, 8 * 4001).bfloat16().float().view(1, -1, 8)
    found = same(x, ConvState(1, same), torch.tensor([0]))
    torch.testing.assert_close(found, F.elu(x), rtol=rounding, atol=1e-7)


@halves
@pytest.mark.parametrize("precision", ["fp32", "int8", "bf16"])
@pytest.mark.parametrize("latents", [1, 40])
def test_a_session_has_the_same_bits_alone_and_among_others(
    half: type[nn.Module], precision: Precision, latents: int
) -> None:
    ours = packed(seanet(half), precision)
    alone, together = ConvState(SLOTS, ours), ConvState(SLOTS, ours)
    for call in range(3):
        x = given(half, SLOTS, latents, seed=call)
        among_others = ours(x, together, torch.arange(SLOTS))
        assert torch.equal(ours(x[2:3], alone, torch.tensor([2]))[0], among_others[2])


@halves
@pytest.mark.parametrize("precision", ["fp32", "int8", "bf16"])
@pytest.mark.parametrize("latents", [1, 40])
def test_a_session_that_is_not_a_number_spoils_no_other(
    half: type[nn.Module], precision: Precision, latents: int
) -> None:
    """Not those beside it, and not whoever comes into its slot after it."""
    ours = packed(seanet(half), precision)
    state = ConvState(3, ours)
    x = given(half, 3, latents, seed=1)
    x[1] = torch.nan
    for _ in range(2):
        spoilt = ours(x, state, torch.arange(3)).isnan().flatten(1).any(dim=1)
        assert spoilt.tolist() == [False, True, False]
    state.reset(1)
    fresh = ours(given(half, 1, latents, seed=2), state, torch.tensor([1]))
    assert not fresh.isnan().any()


@halves
@pytest.mark.parametrize("precision", ["fp32", "int8", "bf16"])
@pytest.mark.parametrize("sessions", [1, 2, 5])
def test_several_threads_change_no_bit(
    half: type[nn.Module], precision: Precision, sessions: int
) -> None:
    ours, threads = packed(seanet(half), precision), torch.get_num_threads()
    x, rows = given(half, sessions, 200, seed=1), torch.arange(sessions)
    try:
        torch.set_num_threads(1)
        one = ours(x, ConvState(sessions, ours), rows)
        torch.set_num_threads(3)
        assert torch.equal(ours(x, ConvState(sessions, ours), rows), one)
    finally:
        torch.set_num_threads(threads)


def test_what_is_no_whole_number_of_latents_is_refused() -> None:
    ours = packed(seanet(SeanetEncoder), "fp32")
    with pytest.raises(AssertionError):
        ours(given(SeanetEncoder, 1, 2, 1)[:, :-1], ConvState(1, ours), torch.tensor([0]))
