"""Products with weights that were laid out for a CPU: by our kernels, or in bf16 by oneDNN."""

import copy
import ctypes
from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kaiwa_server.kernels import library
from kaiwa_server.kernels.library import available, kernels

TYPICAL_ROWS = 16
"""For how many rows oneDNN lays out weights; other numbers take them too, a little slower."""


class KernelProduct(nn.Module):
    """x @ weight.T + bias, by the kernels: in fp32, or with weights of 8 bits.

    With 8 bits each output has a scale, its largest weight being 127; all else is fp32.
    """

    def __init__(
        self, weight: Tensor, bias: Tensor | None, precision: Literal["fp32", "int8"] = "fp32"
    ) -> None:
        super().__init__()
        weight = weight.float()
        outputs, inputs = weight.shape
        scales = None
        if precision == "int8":
            scales = weight.abs().amax(dim=1).clamp(min=1e-30) / 127
            weight = (weight / scales[:, None]).round().to(torch.int8)
        self._weights = _panels(weight)
        self.scales, self._bias = _padded(scales), _padded(bias)
        self.struct = library.Product(
            _address(self._weights),
            _address(self.scales),
            _address(self._bias),
            inputs,
            outputs,
            library.INT8 if precision == "int8" else library.FP32,
        )

    def scaled(self, scale: Tensor) -> "KernelProduct":
        """The same without a bias, each output multiplied with its `scale` [N]."""
        assert self._bias is None
        other = copy.copy(self)
        other.scales = F.pad(scale.float(), (0, -len(scale) % library.PANEL))
        if self.scales is not None:
            other.scales *= self.scales
        other.struct = library.Product.from_buffer_copy(self.struct)
        other.struct.scales = other.scales.data_ptr()
        return other

    def forward(self, x: Tensor, plus: Tensor | None = None, *, elu: bool = False) -> Tensor:
        """x [..., K] -> [..., N], `plus` [..., N] added, and through ELU if it is asked for.

        Of an x of three axes windows that overlap are read where they are.
        """
        if x.ndim != 3 or x.stride(2) != 1:
            x = x.contiguous()
        batches, count = (x.shape[0], x.shape[1]) if x.ndim == 3 else (1, x.numel() // x.shape[-1])
        strides = x.stride()[:2] if x.ndim == 3 else (0, x.shape[-1])
        out = x.new_empty((*x.shape[:-1], self.struct.outputs))
        rows = library.Rows(x.data_ptr(), *strides, batches, count)
        kernels().kaiwa_multiply(
            ctypes.byref(self.struct),
            ctypes.byref(rows),
            out.data_ptr(),
            None if plus is None else plus.contiguous().data_ptr(),
            library.ELU if elu else library.NOTHING,
            torch.get_num_threads(),
        )
        return out


def _panels(weight: Tensor) -> Tensor:
    """[N, K] -> [ceil(N / 32), K, 32]."""
    padded = F.pad(weight, (0, 0, 0, -len(weight) % library.PANEL))
    return padded.view(-1, library.PANEL, weight.shape[1]).transpose(1, 2).contiguous()


def _padded(vector: Tensor | None) -> Tensor | None:
    return None if vector is None else F.pad(vector.float(), (0, -len(vector) % library.PANEL))


def _address(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()


class Bf16Product(nn.Module):
    """x @ weight.T + bias in bf16, by oneDNN, on the matrix units where there are some.

    Norms, softmax, keys and values, codebooks and the sums between layers stay in fp32.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self._bias = None if bias is None else bias.bfloat16()
        self._weight = torch.ops.mkldnn._reorder_linear_weight(
            weight.bfloat16().contiguous(), TYPICAL_ROWS
        )

    def forward(self, x: Tensor, plus: Tensor | None = None, *, elu: bool = False) -> Tensor:
        """x [..., K] of any strides -> [..., N], both fp32; as `KernelProduct`."""
        out = torch.ops.mkldnn._linear_pointwise(
            x.to(torch.bfloat16, memory_format=torch.contiguous_format),
            self._weight,
            self._bias,
            "none",
            [],
            "",
        )
        single = cast(Tensor, out).float()
        if plus is not None:
            single += plus
        return exponential_linear(single) if elu else single


def exponential_linear(x: Tensor) -> Tensor:
    """ELU of x in fp32 on a CPU, by the kernels where there are some."""
    if not available():
        return F.elu(x)
    x = x.contiguous()
    out = torch.empty_like(x)
    kernels().kaiwa_elu(x.data_ptr(), x.numel(), out.data_ptr(), torch.get_num_threads())
    return out
