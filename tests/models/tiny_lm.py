"""A Moshi small enough for a test of a second, with random weights."""

import torch
from kaiwa_server.models.depformer import DepformerConfig
from kaiwa_server.models.lm import MoshiLm
from kaiwa_server.models.lm_config import LmConfig
from kaiwa_server.models.transformer import TransformerConfig

TINY = LmConfig(
    temporal=TransformerConfig(
        dim=16, heads=2, layers=2, hidden=24, context=8, norm="rms_norm_f32", gating="silu"
    ),
    depformer=DepformerConfig(dim=8, heads=2, layers=2, hidden=12),
    text_vocabulary_size=40,
    codebooks=3,
    codebook_size=20,
    delays=(0, 0, 1, 1, 0, 1, 1),
)


def tiny_lm(seed: int = 1, config: LmConfig = TINY) -> MoshiLm:
    torch.manual_seed(seed)
    return MoshiLm(config).requires_grad_(False).eval()
