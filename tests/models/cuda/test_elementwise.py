"""What lies between a layer's products on a GPU gives what torch gives."""

import pytest
import torch
import torch.nn.functional as F
from kaiwa_server.models.cuda.elementwise import added_and_normed, gated
from kaiwa_server.models.kernel_layers import NormParts
from torch import Tensor
from triton_tests import HERE

DIM = 96


def noise(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(HERE)


@pytest.mark.parametrize("scaled", [False, True])
def test_a_branch_is_added_and_the_sum_is_normed(scaled: bool) -> None:
    x, branch, weight, bias = (noise(2, 3, DIM, seed=i) for i in range(4))
    weight, bias = weight[0, 0], bias[0, 0]
    scale = noise(DIM, seed=5) if scaled else None
    summed, normed = added_and_normed(x, branch, scale, NormParts(weight, bias, 1e-5))
    expected = x + branch * (1 if scale is None else scale)
    torch.testing.assert_close(summed, expected)
    torch.testing.assert_close(normed, F.layer_norm(expected, (DIM,), weight, bias, 1e-5))


def test_without_a_bias_it_is_the_root_mean_square_norm() -> None:
    x, weight = noise(2, 1, DIM, seed=1), noise(1, 1, DIM, seed=2)
    summed, normed = added_and_normed(x, None, None, NormParts(weight, None, 1e-8))
    assert torch.equal(summed, x)
    torch.testing.assert_close(normed, F.rms_norm(x, (DIM,), weight.flatten(), 1e-8))


def test_one_half_gates_the_other() -> None:
    joined = noise(2, 1, 2 * 1500, seed=1)
    gate, value = joined.chunk(2, dim=-1)
    torch.testing.assert_close(gated(joined), F.silu(gate) * value)
