"""A transformer's layers and a step's codebooks on a GPU: torch's products, our kernels between."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from kaiwa_server.models.cuda.attention import LayerRing, attend
from kaiwa_server.models.cuda.codebooks import attend_codebook
from kaiwa_server.models.cuda.elementwise import added_and_normed, gated
from kaiwa_server.models.kernel_layers import LayerParts
from kaiwa_server.models.ring_cache import TransformerState

Attend = Callable[[int, Tensor], Tensor]
"""What a layer, by its number, makes of queries, keys and values [B, T, 3 * D]: [B, T, D]."""


class CudaLayers:
    """A stack of layers with a ring of keys and values for each."""

    def __init__(
        self, layers: Sequence[LayerParts], *, heads: int, is_gated: bool, eight_bits: bool
    ) -> None:
        self._layers = layers
        self._heads = heads
        self._is_gated = is_gated
        self._eight_bits = eight_bits

    @property
    def ring_dtype(self) -> torch.dtype:
        """What keys and values are kept in: 8 bits, or as the weights are."""
        if self._eight_bits:
            return torch.int8
        dtype: torch.dtype = self._layers[0].products[0].get_parameter("weight").dtype
        return dtype

    def __call__(
        self, x: Tensor, state: TransformerState, rows: Tensor, positions: Tensor, turns: Tensor
    ) -> Tensor:
        """x [B, T, D] -> [B, T, D]; see `models.transformer.Layers`."""

        def attention(layer: int, joined: Tensor) -> Tensor:
            ring = LayerRing(
                state.rings[layer], None if state.scales is None else state.scales[layer]
            )
            return attend(
                joined.view(*joined.shape[:2], 3, self._heads, -1), turns, ring, rows, positions
            )

        return through(self._layers, x, attention, is_gated=self._is_gated)


@dataclass(frozen=True)
class CodebookParts:
    """What the depformer has for one codebook: products, embedding, layers, product."""

    into: torch.nn.Module
    embedding: torch.nn.Module
    layers: Sequence[LayerParts]
    head: torch.nn.Module


class CudaCodebooks:
    """What the depformer does for each codebook."""

    def __init__(self, codebooks: Sequence[CodebookParts], heads: int) -> None:
        self._codebooks = codebooks
        self._heads = heads

    def logits(self, codebook: int, hidden: Tensor, token: Tensor, rings: Tensor) -> Tensor:
        """What the next token is drawn from, [B, V]; see `models.lm.Codebooks`."""
        parts = self._codebooks[codebook]

        def attention(layer: int, joined: Tensor) -> Tensor:
            split = joined.view(*joined.shape[:2], 3, self._heads, -1)
            return attend_codebook(split, rings[layer], codebook)

        x = parts.into(hidden) + parts.embedding(token)[:, None]
        logits: Tensor = parts.head(through(parts.layers, x, attention, is_gated=True))[:, 0]
        return logits


def through(
    layers: Sequence[LayerParts], x: Tensor, attention: Attend, *, is_gated: bool
) -> Tensor:
    """Takes x [B, T, D] through the layers; what is gated goes through SiLU, else through GELU.

    A branch is added where the next norm reads the sum, in one launch with it.
    """
    branch: Tensor | None = None
    scale: Tensor | None = None
    for number, layer in enumerate(layers):
        into, out, up, down = layer.products
        x, normed = added_and_normed(x, branch, scale, layer.norms[0])
        branch, scale = out(attention(number, into(normed))), layer.scales[0]
        x, normed = added_and_normed(x, branch, scale, layer.norms[1])
        inner = gated(up(normed)) if is_gated else F.gelu(up(normed))
        branch, scale = down(inner), layer.scales[1]
    assert branch is not None
    return x + (branch if scale is None else scale * branch)
