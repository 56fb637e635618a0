"""Where the codec's training starts: weights scaled so that signals keep their size."""

import torch
from kaiwa_server.models.conv import CausalConv1d
from kaiwa_server.models.mimi import Mimi
from kaiwa_server.models.seanet import ResidualBlock
from torch import Tensor, nn

from kaiwa_training.codec import whole

RESIDUAL_SIZE = 0.4
"""What a residual block adds, against what comes in."""


@torch.no_grad()
def scale_encoder(mimi: Mimi, pcm: Tensor) -> None:
    """Gives every stage of the encoder outputs of variance 1 on pcm [B, 1, n].

    From default weights each stage shrinks its signal, and the quantizer then has nothing to tell
    apart: the codec collapses to silence (after Mishkin and Matas, "All you need is a good init").
    """
    x = pcm
    for module in mimi.encoder.model:
        if isinstance(module, ResidualBlock):
            last = module.block[-1]
            assert isinstance(last, CausalConv1d)
            _scale(last, whole.stack(module.block, x).std() / (RESIDUAL_SIZE * x.std()))
        elif isinstance(module, CausalConv1d):
            _scale(module, whole.convolution(module, x).std())
        x = whole.stack([module], x)
    x = whole.frame_transformer(mimi.encoder_transformer, x)
    _scale(mimi.downsample.conv, whole.convolution(mimi.downsample.conv, x).std())
    latent = whole.convolution(mimi.downsample.conv, x)
    for quantizer in (mimi.quantizer.rvq_first, mimi.quantizer.rvq_rest):
        vectors = quantizer.input_proj(latent)
        quantizer.input_proj.weight /= vectors.std()
        quantizer.output_proj.weight /= quantizer.output_proj(vectors / vectors.std()).std()


def _scale(module: CausalConv1d, by: Tensor) -> None:
    inner = module.conv["conv"]
    assert isinstance(inner, nn.Conv1d)
    inner.weight /= by
    if inner.bias is not None:
        inner.bias /= by
