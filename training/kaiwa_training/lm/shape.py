"""The shape of the demo model's LM: Moshi's, made small."""

from typing import Any

from kaiwa_server.models.depformer import DepformerConfig
from kaiwa_server.models.lm_config import LmConfig
from kaiwa_server.models.transformer import TransformerConfig

CODEBOOK_SIZE = 512


def demo_lm(text_vocabulary_size: int) -> LmConfig:
    """The LM's shape: with a vocabulary of 300 words 5.74 M weights, 11.5 MB in fp16."""
    return LmConfig(
        temporal=TransformerConfig(
            dim=192,
            heads=6,
            layers=4,
            hidden=528,
            context=160,
            norm="rms_norm_f32",
            gating="silu",
        ),
        depformer=DepformerConfig(dim=96, heads=4, layers=2, hidden=160),
        text_vocabulary_size=text_vocabulary_size,
        codebook_size=CODEBOOK_SIZE,
    )


def to_json(config: LmConfig) -> dict[str, Any]:
    """The LM's part of the `config.json` that describes a config.

    A gated feed-forward has two thirds of a plain one's width, and the file says the plain one's.
    """
    temporal, depformer = config.temporal, config.depformer
    return {
        "dim": temporal.dim,
        "text_card": config.text_vocabulary_size,
        "existing_text_padding_id": config.text_padding_token,
        "n_q": 2 * config.codebooks,
        "dep_q": config.codebooks,
        "card": config.codebook_size,
        "num_heads": temporal.heads,
        "num_layers": temporal.layers,
        "hidden_scale": 3 * temporal.hidden / (2 * temporal.dim),
        "causal": True,
        "layer_scale": None,
        "context": temporal.context,
        "max_period": int(temporal.max_period),
        "gating": temporal.gating,
        "norm": temporal.norm,
        "positional_embedding": "rope",
        "depformer_dim": depformer.dim,
        "depformer_dim_feedforward": 3 * depformer.hidden // 2,
        "depformer_num_heads": depformer.heads,
        "depformer_num_layers": depformer.layers,
        "depformer_layer_scale": None,
        "depformer_multi_linear": True,
        "depformer_context": config.codebooks,
        "depformer_max_period": 10000,
        "depformer_gating": "silu",
        "depformer_pos_emb": "none",
        "depformer_weights_per_step": True,
        "delays": list(config.delays),
    }
