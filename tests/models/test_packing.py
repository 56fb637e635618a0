"""Models whose products were laid out for a CPU, beside the same models as they were loaded."""

import copy
import shutil
from functools import partial

import pytest
import torch
from kaiwa_server.errors import NotSupported
from kaiwa_server.kernels import library
from kaiwa_server.models import packing
from kaiwa_server.models.conv import CausalConv1d, CausalConvTranspose1d, ConvState
from kaiwa_server.models.packing import Layout, pack, pack_for_cpu
from kaiwa_server.models.products import KernelProduct, Precision
from models.needs import needs_kernels
from models.tiny_lm import tiny_lm
from torch import Tensor, nn

FROM_SAMPLES = CausalConv1d(1, 48, 7)
ROUNDED = 0.01
"""What eight bits of each weight, or of each factor, may cost, relative to all."""

LAYOUTS = [
    pytest.param(KernelProduct, 1e-6, marks=needs_kernels, id="fp32"),
    pytest.param(partial(KernelProduct, precision="int8"), ROUNDED, marks=needs_kernels, id="int8"),
    pytest.param(partial(KernelProduct, precision="bf16"), ROUNDED, marks=needs_kernels, id="bf16"),
]


@pytest.fixture
def unbuilt(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation without a compiler."""
    monkeypatch.setattr(packing, "available", lambda: False)


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("layout", "tolerance"), LAYOUTS)
@pytest.mark.parametrize(
    "convolution",
    [
        CausalConv1d(32, 48, 7),
        CausalConv1d(32, 48, 4, stride=2),
        CausalConv1d(32, 48, 1),
        FROM_SAMPLES,
        CausalConv1d(32, 1, 3),
        CausalConvTranspose1d(32, 48, stride=4),
        CausalConvTranspose1d(32, 32, stride=2, channelwise=True),
    ],
)
def test_a_packed_convolution_streams_as_it_did_before(
    convolution: CausalConv1d | CausalConvTranspose1d, layout: Layout, tolerance: float
) -> None:
    rows = torch.arange(3)
    x = noise(3, 48, 1 if convolution is FROM_SAMPLES else 32)
    convolution = copy.deepcopy(convolution).requires_grad_(False)
    exact = convolution(x, ConvState(3, convolution), rows)
    convolution.pack(layout)
    state = ConvState(3, convolution)
    pieces = [convolution(piece, state, rows) for piece in x.split([8, 4, 4, 32], dim=1)]
    assert (torch.cat(pieces, dim=1) - exact).norm() <= tolerance * exact.norm()


@pytest.mark.parametrize(("layout", "tolerance"), LAYOUTS)
def test_every_linear_layer_of_a_model_is_packed(layout: Layout, tolerance: float) -> None:
    lm = tiny_lm()
    linears = [name for name, module in lm.named_modules() if isinstance(module, nn.Linear)]
    pack(lm, layout)
    modules = dict(lm.named_modules())
    assert linears
    assert all(isinstance(modules[name], KernelProduct) for name in linears)


@pytest.mark.usefixtures("unbuilt")
def test_without_kernels_a_model_in_single_precision_stays_as_it_is() -> None:
    linear = nn.Sequential(nn.Linear(2, 2))
    pack_for_cpu(linear, "fp32")
    assert isinstance(linear[0], nn.Linear)


@pytest.mark.usefixtures("unbuilt")
@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_another_precision_without_kernels_is_refused_with_what_to_do(precision: Precision) -> None:
    with pytest.raises(NotSupported, match=r"g\+\+.*--precision fp32"):
        pack_for_cpu(nn.Sequential(nn.Linear(2, 2)), precision)


def test_the_kernels_are_built_where_there_is_a_compiler() -> None:
    if shutil.which("c++") is None or not library._names():
        pytest.skip("there is no C++ compiler, or no AVX2")
    assert library.available()
