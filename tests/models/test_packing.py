"""Products in bf16 beside those in fp32."""

import pytest
import torch
from kaiwa_server.errors import NotSupported
from kaiwa_server.models.conv import CausalConv1d, CausalConvTranspose1d, ConvState
from kaiwa_server.models.packing import PackedProduct, pack, pack_for_cpu
from models.tiny_lm import tiny_lm
from torch import Tensor, nn

ROW = torch.tensor([0])

needs_bf16 = pytest.mark.skipif(
    not torch.cpu._is_avx512_bf16_supported(), reason="this processor has no bf16"
)


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def assert_near(found: Tensor, expected: Tensor) -> None:
    """Within what eight bits of each factor cost."""
    assert (found - expected).norm() < 0.01 * expected.norm()


@needs_bf16
def test_a_packed_product_is_near_the_exact_one_for_any_number_of_rows() -> None:
    linear = nn.Linear(64, 96).requires_grad_(False)
    packed = PackedProduct(linear.weight, linear.bias)
    for rows in (1, 3, 16, 100):
        x = noise(rows, 2, 64)
        assert_near(packed(x), linear(x))


@needs_bf16
@pytest.mark.parametrize(
    "convolution",
    [
        CausalConv1d(32, 48, 7),
        CausalConv1d(32, 48, 4, stride=2),
        CausalConv1d(32, 48, 1),
        CausalConvTranspose1d(32, 48, stride=4),
        CausalConvTranspose1d(32, 32, stride=2, channelwise=True),
    ],
)
def test_a_packed_convolution_streams_as_the_exact_one_does(
    convolution: CausalConv1d | CausalConvTranspose1d,
) -> None:
    convolution.requires_grad_(False)
    x = noise(1, 24, 32)
    exact = convolution(x, ConvState(1, convolution), ROW)
    convolution.pack()
    state = ConvState(1, convolution)
    pieces = torch.cat([convolution(piece, state, ROW) for piece in x.split(8, dim=1)], dim=1)
    assert_near(pieces, exact)


@needs_bf16
def test_every_linear_layer_of_a_model_is_packed() -> None:
    lm = tiny_lm()
    linears = [name for name, module in lm.named_modules() if isinstance(module, nn.Linear)]
    pack(lm)
    modules = dict(lm.named_modules())
    assert linears
    assert all(isinstance(modules[name], PackedProduct) for name in linears)


def test_a_processor_without_bf16_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    linear = nn.Sequential(nn.Linear(2, 2))
    with pytest.raises(NotSupported, match="--precision fp32"):
        pack_for_cpu(linear)
    assert isinstance(linear[0], nn.Linear)
