"""The depformer: the small transformer over the codebooks of one step.

Each codebook has weights of its own for everything but the norms, and there are no positions. It
remembers nothing from one step to the next: the cache of a step is made and dropped within it.
"""

from dataclasses import dataclass
from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn

from kaiwa_server.models.kernel_layers import KernelLayers, LayerParts
from kaiwa_server.models.transformer import RmsNormF32, SiluGating, norm_parts


@dataclass(frozen=True)
class DepformerConfig:
    """The shape of a depformer; `hidden` is what `gating.{i}.linear_out` reads."""

    dim: int
    heads: int
    layers: int
    hidden: int


class DepformerCache:
    """The keys and values of the codebooks that one step has gone through; made for each step."""

    def __init__(self, config: DepformerConfig, codebooks: int, like: Tensor) -> None:
        head_dim = config.dim // config.heads
        shape = (config.layers, 2, len(like), config.heads, codebooks, head_dim)
        self.rings = like.new_empty(shape)

    def extend(self, layer: int, codebook: int, pair: Tensor) -> tuple[Tensor, Tensor]:
        """Adds a codebook's key and value [2, B, H, Dh], gives those so far [B, H, n, Dh]."""
        pairs = self.rings[layer]
        pairs[:, :, :, codebook] = pair
        keys, values = pairs[:, :, :, : codebook + 1].unbind()
        return keys, values


class DepformerAttention(nn.Module):
    """Attention of one codebook to itself and those before it."""

    def __init__(self, config: DepformerConfig, codebooks: int) -> None:
        super().__init__()
        dim = config.dim
        self.heads = config.heads
        self.in_projs = nn.ModuleList(nn.Linear(dim, 3 * dim, bias=False) for _ in range(codebooks))
        self.out_projs = nn.ModuleList(nn.Linear(dim, dim, bias=False) for _ in range(codebooks))

    def forward(self, x: Tensor, codebook: int, layer: int, cache: DepformerCache) -> Tensor:
        """x [B, 1, D] -> [B, 1, D]; the cache takes up the codebook's key and value."""
        joined = self.in_projs[codebook](x).view(len(x), 3, self.heads, -1)
        keys, values = cache.extend(layer, codebook, joined[:, 1:].transpose(0, 1))
        query = joined[:, 0, :, None]  # [B, H, 1, Dh]
        seen = F.scaled_dot_product_attention(query, keys, values)  # [B, H, 1, Dh]
        out: Tensor = self.out_projs[codebook](seen.transpose(1, 2).flatten(2))
        return out


class DepformerLayer(nn.Module):
    """Attention and feed-forward, each on a normed input and added to what came in."""

    def __init__(self, config: DepformerConfig, codebooks: int) -> None:
        super().__init__()
        self.self_attn = DepformerAttention(config, codebooks)
        self.norm1 = RmsNormF32(config.dim)
        self.norm2 = RmsNormF32(config.dim)
        self.gating = nn.ModuleList(SiluGating(config.dim, config.hidden) for _ in range(codebooks))

    def forward(self, x: Tensor, codebook: int, layer: int, cache: DepformerCache) -> Tensor:
        """x [B, 1, D] -> [B, 1, D]."""
        x = x + self.self_attn(self.norm1(x), codebook, layer, cache)
        out: Tensor = x + self.gating[codebook](self.norm2(x))
        return out

    def parts(self, codebook: int) -> LayerParts:
        """What the kernels need of it for a codebook."""
        attention, gating = self.self_attn, cast(SiluGating, self.gating[codebook])
        into, out = attention.in_projs[codebook], attention.out_projs[codebook]
        return LayerParts(
            norms=(norm_parts(self.norm1), norm_parts(self.norm2)),
            products=(into, out, gating.linear_in, gating.linear_out),
            scales=(None, None),
        )


class Depformer(nn.Module):
    """A stack of layers that is gone through once for each codebook, in order."""

    def __init__(self, config: DepformerConfig, codebooks: int) -> None:
        super().__init__()
        self.config = config
        self.codebooks = codebooks
        self.layers = nn.ModuleList(DepformerLayer(config, codebooks) for _ in range(config.layers))

    def kernel_layers(self) -> list[KernelLayers | None]:
        """Each codebook's layers as one call, where the products are packed for that."""
        return [
            KernelLayers.of(
                self.parts(codebook),
                heads=self.config.heads,
                context=self.codebooks,
                gated=True,
            )
            for codebook in range(self.codebooks)
        ]

    def parts(self, codebook: int) -> list[LayerParts]:
        """What kernels need of its layers for a codebook."""
        return [cast(DepformerLayer, layer).parts(codebook) for layer in self.layers]

    def new_cache(self, hidden: Tensor) -> DepformerCache:
        """The cache of one step; its rows, device and precision are those of hidden [B, ...]."""
        return DepformerCache(self.config, self.codebooks, hidden)

    def forward(self, x: Tensor, codebook: int, cache: DepformerCache) -> Tensor:
        """One sub-step, x [B, 1, D] -> [B, 1, D]; those before it are in the cache."""
        for index, layer in enumerate(self.layers):
            x = layer(x, codebook, index, cache)
        return x
