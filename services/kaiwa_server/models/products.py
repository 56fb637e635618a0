"""Products with weights that were laid out for a CPU: by our kernels, or in bf16 by oneDNN."""

import ctypes
from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kaiwa_server.kernels import library
from kaiwa_server.kernels.library import kernels

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
        self._scales, self._bias = _padded(scales), _padded(bias)
        self.struct = library.Product(
            _address(self._weights),
            _address(self._scales),
            _address(self._bias),
            inputs,
            outputs,
            library.INT8 if precision == "int8" else library.FP32,
        )

    def forward(self, x: Tensor) -> Tensor:
        """x [..., K] -> [..., N]; of three axes, windows that overlap are read where they are."""
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
            None,
            library.NOTHING,
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

    def forward(self, x: Tensor) -> Tensor:
        """x [..., K] of any strides -> [..., N], both fp32."""
        out = torch.ops.mkldnn._linear_pointwise(
            x.to(torch.bfloat16, memory_format=torch.contiguous_format),
            self._weight,
            self._bias,
            "none",
            [],
            "",
        )
        return cast(Tensor, out).float()
