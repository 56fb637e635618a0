"""A Mimi with random weights that is quick to run: 4 codebooks of 16 entries, context 4 frames."""

import torch
from kaiwa_server.audio import FRAME_SAMPLES
from kaiwa_server.models.mimi import Mimi
from kaiwa_server.models.mimi_config import MimiConfig
from kaiwa_server.models.quantizer import QuantizerConfig
from kaiwa_server.models.seanet import SeanetConfig
from kaiwa_server.models.transformer import TransformerConfig
from torch import Tensor

TINY = MimiConfig(
    seanet=SeanetConfig(dimension=16, n_filters=4),
    transformer=TransformerConfig(
        16, 2, 2, 32, context=8, norm="layer_norm", gating="none", layer_scale=0.3
    ),
    quantizer=QuantizerConfig(latent_dimension=16, dimension=8, n_q=6, bins=16),
    num_codebooks=4,
)


def tiny_mimi(seed: int = 0) -> Mimi:
    """The tiny Mimi, ready for inference."""
    generator = torch.Generator().manual_seed(seed)
    mimi = Mimi(TINY).eval().requires_grad_(False)
    weights = mimi.state_dict()
    for name, weight in weights.items():
        if weight.dim() > 1:
            inputs = weight[0].numel()
            weight.normal_(0.0, (2.0 / inputs) ** 0.5, generator=generator)
        elif name.endswith("cluster_usage"):
            weight.uniform_(0.5, 2.0, generator=generator)
    mimi.load_state_dict(weights)
    return mimi


def noise(frames: int, seed: int) -> Tensor:
    """Sound of that many frames: [1, 1, 1920 * T]."""
    generator = torch.Generator().manual_seed(seed)
    return 0.3 * torch.randn(1, 1, frames * FRAME_SAMPLES, generator=generator)


def any_codes(frames: int, seed: int) -> Tensor:
    """Codes of that many frames: [1, K, T]."""
    generator = torch.Generator().manual_seed(seed)
    size = (1, TINY.num_codebooks, frames)
    return torch.randint(TINY.quantizer.bins, size, generator=generator)
