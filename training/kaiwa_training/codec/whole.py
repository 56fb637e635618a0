"""Runs the served Mimi over whole clips, with gradients.

The served modules stream: they keep state and take a frame or a few. Training wants whole clips in
one go, so these functions compute the same with the same modules' weights and no state. What is
trained is therefore what is served; `tests/training/codec` holds the two against each other.
"""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from kaiwa_server.models.conv import CausalConv1d, CausalConvTranspose1d
from kaiwa_server.models.mimi import FrameTransformer, Mimi
from kaiwa_server.models.rope import rope_turns, rotate
from kaiwa_server.models.seanet import ResidualBlock
from kaiwa_server.models.transformer import SelfAttention, TransformerLayer
from torch import Tensor, nn


def encode_latent(mimi: Mimi, pcm: Tensor, *, frozen: int = 0) -> Tensor:
    """pcm [B, 1, 1920 * T] -> what is quantized, [B, C, T].

    The first `frozen` modules of SEANet's encoder get no gradients: at 24 kHz they take most of the
    time.
    """
    modules = list(mimi.encoder.model)
    with torch.set_grad_enabled(torch.is_grad_enabled() and not frozen):
        x = stack(modules[:frozen], pcm)
    x = stack(modules[frozen:], x)  # [B, C, latents_per_frame * T]
    x = frame_transformer(mimi.encoder_transformer, x)
    return convolution(mimi.downsample.conv, x)


def decode_latent(mimi: Mimi, latent: Tensor) -> Tensor:
    """Dequantized latent [B, C, T] -> pcm [B, 1, 1920 * T]."""
    x = transposed_convolution(mimi.upsample.convtr, latent)
    x = frame_transformer(mimi.decoder_transformer, x)
    return stack(mimi.decoder.model, x)


def stack(modules: Iterable[nn.Module], x: Tensor) -> Tensor:
    """x [B, C, T] through the convolutions, blocks and activations of one half of SEANet."""
    for module in modules:
        match module:
            case CausalConv1d():
                x = convolution(module, x)
            case CausalConvTranspose1d():
                x = transposed_convolution(module, x)
            case ResidualBlock():
                x = x + stack(module.block, x)
            case _:
                x = module(x)
    return x


def convolution(module: CausalConv1d, x: Tensor) -> Tensor:
    """x [B, C, T] from a session's start -> [B, C', T / stride]."""
    inner: nn.Conv1d = module.conv["conv"]  # type: ignore[assignment]
    mode = "replicate" if module.replicates else "constant"
    padded = F.pad(x, (module.kernel - module.stride, 0), mode=mode)
    return F.conv1d(padded, inner.weight, inner.bias, module.stride)


def transposed_convolution(module: CausalConvTranspose1d, x: Tensor) -> Tensor:
    """x [B, C, T] from a session's start -> [B, C', T * stride]."""
    inner: nn.ConvTranspose1d = module.convtr["convtr"]  # type: ignore[assignment]
    groups = x.shape[1] if module.channelwise else 1
    out = F.conv_transpose1d(x, inner.weight, inner.bias, module.stride, groups=groups)
    return out[..., : x.shape[-1] * module.stride]


def frame_transformer(module: FrameTransformer, x: Tensor) -> Tensor:
    """x [B, C, latents_per_frame * T] -> the same shape."""
    config = module.transformer.config
    length = x.shape[-1]
    positions = torch.arange(length, device=x.device)
    # The ring takes a frame's positions at once, so all of them see back from the frame's last.
    last = positions // module.latents_per_frame * module.latents_per_frame
    oldest = last + module.latents_per_frame - config.context
    visible = (positions <= positions[:, None]) & (positions >= oldest[:, None])  # [T, T]
    turns = rope_turns(positions[None], config.head_dim, config.max_period)
    x = x.transpose(1, 2)
    for layer in module.transformer.layers:
        assert isinstance(layer, TransformerLayer)
        x = _layer(layer, x, visible, turns)
    return x.transpose(1, 2)


def _layer(layer: TransformerLayer, x: Tensor, visible: Tensor, turns: Tensor) -> Tensor:
    seen = _attention(layer.self_attn, layer.norm1(x), visible, turns)
    x = x + layer.layer_scale_1(seen)
    inner = F.gelu(layer.linear1(layer.norm2(x)))
    out: Tensor = x + layer.layer_scale_2(layer.linear2(inner))
    return out


def _attention(module: SelfAttention, x: Tensor, visible: Tensor, turns: Tensor) -> Tensor:
    joined = module.in_projs[0](x).unflatten(-1, (3, module.config.heads, -1))
    turned = rotate(joined[:, :, :2], turns)
    query, key = turned.permute(2, 0, 3, 1, 4)  # [B, H, T, Dh] each
    value = joined[:, :, 2].transpose(1, 2)
    seen = F.scaled_dot_product_attention(query, key, value, attn_mask=visible)
    out: Tensor = module.out_projs[0](seen.transpose(1, 2).flatten(2))
    return out
