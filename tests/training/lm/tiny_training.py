"""An LM small enough to train in a test, and the served one with the same weights."""

import torch
from kaiwa_server.models.depformer import DepformerConfig
from kaiwa_server.models.lm import MoshiLm
from kaiwa_server.models.lm_config import LmConfig
from kaiwa_server.models.transformer import TransformerConfig
from kaiwa_training.lm.network import TrainableLm

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


def tiny_trainable(seed: int = 1, heard: tuple[int, ...] = (0, 1)) -> TrainableLm:
    """Random weights, those of the norms too."""
    torch.manual_seed(seed)
    lm = TrainableLm(TINY, heard)
    with torch.no_grad():
        for name, weight in lm.named_parameters():
            if name.endswith("alpha"):
                weight.uniform_(0.7, 1.3)
    return lm


def served(lm: TrainableLm) -> MoshiLm:
    """The served network with what the trained one would save."""
    other = MoshiLm(lm.config)
    other.load_state_dict(lm.state_dict())
    return other.requires_grad_(False).eval()
