"""Layers of a transformer as one call of the kernels."""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from kaiwa_server.kernels import library
from kaiwa_server.kernels.library import kernels
from kaiwa_server.models.products import KernelProduct
from kaiwa_server.models.ring_cache import TransformerState


@dataclass(frozen=True)
class NormParts:
    """A layer norm, or without a bias a root-mean-square norm; [D] both."""

    weight: Tensor
    bias: Tensor | None
    eps: float


@dataclass(frozen=True)
class LayerParts:
    """What the kernels need of a layer."""

    norms: tuple[NormParts, NormParts]
    products: tuple[nn.Module, nn.Module, nn.Module, nn.Module]
    """Into attention and out of it, up into the feed-forward and down out of it."""
    scales: tuple[Tensor | None, Tensor | None]
    """What is added of attention and of the feed-forward is multiplied with these, [D]."""


class KernelLayers:
    """A stack of layers whose products are all packed for the kernels."""

    def __init__(self, stack: library.Stack, alive: list[Tensor]) -> None:
        self.stack = stack
        self._alive = alive

    @classmethod
    def of(
        cls, layers: Sequence[LayerParts], *, heads: int, context: int, gated: bool
    ) -> "KernelLayers | None":
        """Of layers whose rings hold `context` positions; None where products are others'.

        What is `gated` goes through SiLU, and through GELU otherwise.
        """
        structs = (library.Layer * len(layers))()
        alive: list[Tensor] = []

        def address(tensor: Tensor | None) -> int | None:
            if tensor is None:
                return None
            alive.append(tensor.float().flatten())
            return alive[-1].data_ptr()

        for struct, parts in zip(structs, layers, strict=True):
            products = [product for product in parts.products if isinstance(product, KernelProduct)]
            if len(products) < len(parts.products):
                return None
            struct.norm1, struct.norm2 = (
                library.Norm(address(norm.weight), address(norm.bias)) for norm in parts.norms
            )
            into, out, up, down = products
            scaled = [
                product if scale is None else product.scaled(scale)
                for product, scale in zip((out, down), parts.scales, strict=True)
            ]
            alive += [product.scales for product in scaled if product.scales is not None]
            struct.into, struct.up = into.struct, up.struct
            struct.out, struct.down = (product.struct for product in scaled)
        activation = library.SILU_GATE if gated else library.GELU
        dim, hidden = structs[0].into.inputs, structs[0].down.inputs
        shape = (len(layers), dim, heads, hidden, context, activation, layers[0].norms[0].eps)
        return cls(library.Stack(structs, *shape), alive)

    @property
    def ring_dtype(self) -> torch.dtype:
        """What keys and values are kept in: bf16 beside weights of less than fp32."""
        exact = self.stack.layers[0].into.precision == library.FP32
        return torch.float32 if exact else torch.bfloat16

    def __call__(
        self, x: Tensor, state: TransformerState, rows: Tensor, positions: Tensor, turns: Tensor
    ) -> Tensor:
        """x [B, T, D] -> [B, T, D]; see `models.transformer.Layers`."""
        out = x.clone(memory_format=torch.contiguous_format)
        kernels().kaiwa_layers(
            ctypes.byref(self.stack),
            ctypes.byref(_rings(state.rings)),
            out.data_ptr(),
            *x.shape[:2],
            rows.data_ptr(),
            positions.data_ptr(),
            turns.data_ptr(),
            torch.get_num_threads(),
        )
        return out


def _rings(rings: Tensor) -> library.Rings:
    return library.Rings(rings.data_ptr(), rings.shape[2], rings.dtype == torch.bfloat16)


class KernelCodebooks:
    """What the depformer does for each codebook, as one call."""

    def __init__(self, codebooks: list[library.Codebook], alive: list[Any]) -> None:
        self._codebooks = codebooks
        self._alive = alive

    @classmethod
    def of(
        cls,
        parts: Sequence[tuple[KernelLayers | None, Any, Tensor, Any]],
    ) -> "KernelCodebooks | None":
        """Of each codebook's layers, product into them, embedding and product out of them."""
        structs = []
        for layers, into, embedding, head in parts:
            if layers is None:
                return None
            structs.append(
                library.Codebook(into.struct, head.struct, embedding.data_ptr(), layers.stack)
            )
        return cls(structs, [*parts])

    def logits(self, codebook: int, hidden: Tensor, token: Tensor, rings: Tensor) -> Tensor:
        """What the next token is drawn from, [B, V]; see `models.lm.Codebooks`."""
        struct = self._codebooks[codebook]
        logits = hidden.new_empty(len(hidden), struct.head.outputs)
        kernels().kaiwa_codebook(
            ctypes.byref(struct),
            ctypes.byref(_rings(rings)),
            hidden.data_ptr(),
            len(hidden),
            token.data_ptr(),
            codebook,
            logits.data_ptr(),
            torch.get_num_threads(),
        )
        return logits
