"""The causal transformer of Mimi's two halves and of Moshi over steps.

Parameter names are those of Kyutai's newer checkpoints.
"""

from dataclasses import dataclass
from typing import Literal, Protocol, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kaiwa_server.models.kernel_layers import KernelLayers, LayerParts, NormParts
from kaiwa_server.models.packing import Layout, pack_children
from kaiwa_server.models.ring_cache import TransformerState, Window
from kaiwa_server.models.rope import rope_turns, rotate


@dataclass(frozen=True)
class TransformerConfig:
    """The shape of a transformer.

    `hidden` is the width inside the feed-forward: what `linear2` or `gating.linear_out` reads.
    `context` is how many positions attention can see.
    """

    dim: int
    heads: int
    layers: int
    hidden: int
    context: int
    norm: Literal["layer_norm", "rms_norm_f32"]
    gating: Literal["none", "silu"]
    layer_scale: float | None = None
    max_period: float = 10_000.0

    @property
    def head_dim(self) -> int:
        """The width of one head."""
        return self.dim // self.heads


class RmsNormF32(nn.Module):
    """Root-mean-square norm (Zhang and Sennrich, 2019), computed in fp32 whatever comes in."""

    def __init__(self, dim: int, eps: float = 1e-8) -> None:
        super().__init__()
        self.eps = eps
        self.alpha = nn.Parameter(torch.ones(1, 1, dim))

    def forward(self, x: Tensor) -> Tensor:
        """Norms x [B, T, D] over D."""
        scale = self.alpha.float().flatten()
        return F.rms_norm(x.float(), scale.shape, scale, self.eps).to(x.dtype)


class LayerScale(nn.Module):
    """A learnt scale for each channel of a residual branch (Touvron et al., 2021)."""

    def __init__(self, dim: int, initial: float) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((dim,), initial))

    def forward(self, x: Tensor) -> Tensor:
        """Scales x [B, T, D] over D."""
        return self.scale * x


class SiluGating(nn.Module):
    """A feed-forward whose one half gates the other (SwiGLU; Shazeer, 2020)."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.linear_in = nn.Linear(dim, 2 * hidden, bias=False)
        self.linear_out = nn.Linear(hidden, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """x [B, T, D] -> [B, T, D]."""
        gate, value = self.linear_in(x).chunk(2, dim=-1)  # [B, T, hidden] each
        out: Tensor = self.linear_out(F.silu(gate) * value)
        return out


class SelfAttention(nn.Module):
    """Attention of the new positions to the ring, rotary positions applied."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.in_projs = nn.ModuleList([nn.Linear(config.dim, 3 * config.dim, bias=False)])
        self.out_projs = nn.ModuleList([nn.Linear(config.dim, config.dim, bias=False)])

    def forward(
        self, x: Tensor, state: TransformerState, layer: int, window: Window, turns: Tensor
    ) -> Tensor:
        """x [B, T, D] -> [B, T, D]; the layer's rings take up its keys and values."""
        joined = self.in_projs[0](x).view(*x.shape[:2], 3, self.config.heads, -1)
        query, key = rotate(joined[:, :, :2], turns).unbind(2)  # [B, T, H, Dh] each
        state.write(layer, window, key, joined[:, :, 2])
        keys, values = state.read(layer, window)
        query = query.transpose(1, 2)
        seen = F.scaled_dot_product_attention(query, keys, values, attn_mask=window.visible)
        out: Tensor = self.out_projs[0](seen.transpose(1, 2).flatten(2))
        return out


class TransformerLayer(nn.Module):
    """Attention and feed-forward, each on a normed input and added to what came in."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.self_attn = SelfAttention(config)
        self.norm1 = _norm(config)
        self.norm2 = _norm(config)
        self.gated = config.gating == "silu"
        if self.gated:
            self.gating = SiluGating(config.dim, config.hidden)
        else:
            self.linear1 = nn.Linear(config.dim, config.hidden, bias=False)
            self.linear2 = nn.Linear(config.hidden, config.dim, bias=False)
        self.layer_scale_1 = _scale(config)
        self.layer_scale_2 = _scale(config)

    def forward(
        self, x: Tensor, state: TransformerState, layer: int, window: Window, turns: Tensor
    ) -> Tensor:
        """x [B, T, D] -> [B, T, D]."""
        x = x + self.layer_scale_1(self.self_attn(self.norm1(x), state, layer, window, turns))
        out: Tensor = x + self.layer_scale_2(self._feed_forward(self.norm2(x)))
        return out

    def parts(self) -> LayerParts:
        """What the kernels need of it."""
        attention = self.self_attn.in_projs[0], self.self_attn.out_projs[0]
        if self.gated:
            feed_forward = self.gating.linear_in, self.gating.linear_out
        else:
            feed_forward = self.linear1, self.linear2
        return LayerParts(
            norms=(norm_parts(self.norm1), norm_parts(self.norm2)),
            products=(*attention, *feed_forward),
            scales=(_scale_of(self.layer_scale_1), _scale_of(self.layer_scale_2)),
        )

    def _feed_forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.gating(x) if self.gated else self.linear2(F.gelu(self.linear1(x)))
        return out


class Layers(Protocol):
    """All the layers at once, by something faster than torch alone."""

    @property
    def ring_dtype(self) -> torch.dtype:
        """What keys and values are kept in."""

    def __call__(
        self, x: Tensor, state: TransformerState, rows: Tensor, positions: Tensor, turns: Tensor
    ) -> Tensor:
        """x [B, T, D] -> [B, T, D]; the state's rings take up the new keys and values.

        Args:
            x: the new positions.
            state: the clock is left as it is.
            rows: slots, [B].
            positions: since the slots' reset, [B, T].
            turns: what turns each pair of a query or key, complex [B, T, Dh / 2].
        """


class Transformer(nn.Module):
    """A stack of layers; what it remembers is a `TransformerState`, passed in."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.layers = nn.ModuleList(TransformerLayer(config) for _ in range(config.layers))
        self._kernels: Layers | None = None

    def pack(self, layout: Layout) -> None:
        """Goes over to packed products, and to the kernels if it can."""
        pack_children(self, layout)
        self._kernels = KernelLayers.of(
            self.parts(),
            heads=self.config.heads,
            context=self.config.context,
            gated=self.config.gating == "silu",
        )

    def use(self, layers: Layers) -> None:
        """Goes over to these, which were made of its `parts`."""
        self._kernels = layers

    def parts(self) -> list[LayerParts]:
        """What kernels need of its layers."""
        return [cast(TransformerLayer, layer).parts() for layer in self.layers]

    def new_state(self, slots: int) -> TransformerState:
        """The state of `slots` new sessions, where the weights are and in their precision."""
        weight = next(self.parameters())  # an attention projection; norms may be of another dtype
        return TransformerState(
            slots,
            layers=self.config.layers,
            heads=self.config.heads,
            context=self.config.context,
            head_dim=self.config.head_dim,
            device=weight.device,
            dtype=self._kernels.ring_dtype if self._kernels else weight.dtype,
        )

    def forward(self, x: Tensor, state: TransformerState, rows: Tensor) -> Tensor:
        """Adds T positions to the slots `rows` [B], which are distinct: x [B, T, D] -> [B, T, D].

        A position sees those before it that the ring still holds once the call has written, so at
        T > 1 the call's first position sees `context` - T + 1.
        """
        _, count, _ = x.shape
        positions = state.next_positions(rows, count)
        turns = rope_turns(positions, self.config.head_dim, self.config.max_period)
        if self._kernels is not None:
            x = self._kernels(x, state, rows, positions, turns)
        else:
            window = state.window(rows, positions)
            for index, layer in enumerate(self.layers):
                x = layer(x, state, index, window, turns)
        state.advance(rows, positions)
        return x


def norm_parts(norm: nn.Module) -> NormParts:
    """What the kernels need of a norm."""
    if isinstance(norm, nn.LayerNorm):
        return NormParts(norm.weight, norm.bias, norm.eps)
    rms = cast(RmsNormF32, norm)
    return NormParts(rms.alpha, None, rms.eps)


def _norm(config: TransformerConfig) -> nn.Module:
    if config.norm == "layer_norm":
        return nn.LayerNorm(config.dim, eps=1e-5)
    return RmsNormF32(config.dim)


def _scale_of(module: nn.Module) -> Tensor | None:
    return module.scale if isinstance(module, LayerScale) else None


def _scale(config: TransformerConfig) -> nn.Module:
    if config.layer_scale is None:
        return nn.Identity()
    return LayerScale(config.dim, config.layer_scale)
