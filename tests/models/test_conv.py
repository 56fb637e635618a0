"""The streaming properties of one convolution, and what lies before a session's first sample."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from kaiwa_server.models.conv import CausalConv1d, CausalConvTranspose1d, ConvState
from torch import Tensor, nn

KINDS: dict[str, Callable[[], nn.Module]] = {
    "plain": lambda: CausalConv1d(3, 5, 7),
    "pointwise": lambda: CausalConv1d(3, 5, 1),
    "strided": lambda: CausalConv1d(3, 5, 4, stride=2),
    "replicating": lambda: CausalConv1d(3, 5, 4, stride=2, bias=False, padding="replicate"),
    "transposed": lambda: CausalConvTranspose1d(3, 5, stride=4),
    "channel-wise": lambda: CausalConvTranspose1d(3, 3, stride=2, channelwise=True, bias=False),
}


@pytest.fixture(params=KINDS)
def convolution(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(0)
    return KINDS[request.param]().requires_grad_(False)


def noise(rows: int, length: int, seed: int) -> Tensor:
    return torch.randn(rows, length, 3, generator=torch.Generator().manual_seed(seed))


def stream(convolution: nn.Module, state: ConvState, slot: int, x: Tensor, piece: int) -> Tensor:
    row = torch.tensor([slot])
    return torch.cat([convolution(part, state, row) for part in x.split(piece, dim=1)], dim=1)


@pytest.mark.parametrize("piece", [2, 4, 12])
def test_pieces_equal_the_whole(convolution: nn.Module, piece: int) -> None:
    x = noise(1, 24, seed=1)
    whole = convolution(x, ConvState(1, convolution), torch.tensor([0]))
    pieces = stream(convolution, ConvState(1, convolution), 0, x, piece)
    torch.testing.assert_close(pieces, whole)


def test_rows_do_not_depend_on_their_neighbours(convolution: nn.Module) -> None:
    state = ConvState(4, convolution)
    x = noise(2, 12, seed=2)
    stream(convolution, state, 3, x[1:, :4], piece=2)
    rows = torch.tensor([3, 1])
    first = convolution(torch.cat((x[1:, 4:8], x[:1, :4])), state, rows)
    second = convolution(torch.cat((x[1:, 8:], x[:1, 4:8])), state, rows)
    together = torch.cat((first, second), dim=1)
    early = stream(convolution, ConvState(1, convolution), 0, x[1:], piece=2)
    late = stream(convolution, ConvState(1, convolution), 0, x[:1, :8], piece=2)
    torch.testing.assert_close(together[0], early[0, -together.shape[1] :])
    torch.testing.assert_close(together[1], late[0])


def test_reset_equals_fresh(convolution: nn.Module) -> None:
    state = ConvState(2, convolution)
    stream(convolution, state, 1, noise(1, 8, seed=3), piece=2)
    state.reset(1)
    x = noise(1, 8, seed=4)
    fresh = stream(convolution, ConvState(2, convolution), 1, x, piece=2)
    assert torch.equal(stream(convolution, state, 1, x, piece=2), fresh)


def test_a_slot_that_is_not_stepped_does_not_move(convolution: nn.Module) -> None:
    state = ConvState(3, convolution)
    stream(convolution, state, 1, noise(1, 4, seed=5), piece=2)
    tail, fresh = state[convolution].tail[1].clone(), state[convolution].fresh[1].clone()
    convolution(noise(2, 8, seed=6), state, torch.tensor([0, 2]))
    assert torch.equal(state[convolution].tail[1], tail)
    assert torch.equal(state[convolution].fresh[1], fresh)


def test_zeros_lie_before_the_first_sample() -> None:
    convolution = CausalConv1d(3, 5, 7).requires_grad_(False)
    x = noise(1, 8, seed=7)
    inner = convolution.conv["conv"]
    padded = F.conv1d(F.pad(x.mT, (6, 0)), inner.weight, inner.bias).mT
    torch.testing.assert_close(
        stream(convolution, ConvState(1, convolution), 0, x, piece=2), padded
    )


def test_a_replicating_convolution_sees_the_first_sample_before_it() -> None:
    convolution = CausalConv1d(3, 5, 4, stride=2, padding="replicate").requires_grad_(False)
    x = noise(1, 8, seed=8)
    inner = convolution.conv["conv"]
    padded = F.conv1d(F.pad(x.mT, (2, 0), mode="replicate"), inner.weight, inner.bias, stride=2).mT
    torch.testing.assert_close(
        stream(convolution, ConvState(1, convolution), 0, x, piece=2), padded
    )


def test_a_transposed_convolution_gives_each_output_as_soon_as_it_is_whole() -> None:
    convolution = CausalConvTranspose1d(3, 5, stride=4).requires_grad_(False)
    x = noise(1, 6, seed=9)
    inner = convolution.convtr["convtr"]
    whole = F.conv_transpose1d(x.mT, inner.weight, inner.bias, stride=4).mT[:, :24]
    torch.testing.assert_close(stream(convolution, ConvState(1, convolution), 0, x, piece=1), whole)


def test_a_piece_that_is_no_multiple_of_the_stride_is_our_mistake() -> None:
    convolution = CausalConv1d(3, 5, 4, stride=2)
    with pytest.raises(AssertionError):
        convolution(noise(1, 3, seed=10), ConvState(1, convolution), torch.tensor([0]))
