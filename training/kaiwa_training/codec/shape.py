"""The shape of the demo model's codec: Mimi's, made small."""

from dataclasses import asdict
from typing import Any

from kaiwa_server.audio import FRAME_RATE_HZ, SAMPLE_RATE_HZ
from kaiwa_server.models.mimi_config import MimiConfig
from kaiwa_server.models.quantizer import QuantizerConfig
from kaiwa_server.models.seanet import SeanetConfig
from kaiwa_server.models.transformer import TransformerConfig

LATENT = 160
CODEBOOK_SIZE = 512

DEMO_MIMI = MimiConfig(
    seanet=SeanetConfig(dimension=LATENT, n_filters=16),
    transformer=TransformerConfig(
        dim=LATENT,
        heads=5,
        layers=3,
        hidden=4 * LATENT,
        context=16,
        norm="layer_norm",
        gating="none",
        layer_scale=0.2,
    ),
    quantizer=QuantizerConfig(latent_dimension=LATENT, dimension=64, n_q=8, bins=CODEBOOK_SIZE),
)


def to_json(config: MimiConfig) -> dict[str, Any]:
    """The contents of the `mimi_config.json` that describes a config."""
    seanet, transformer, quantizer = config.seanet, config.transformer, config.quantizer
    return {
        "sample_rate": SAMPLE_RATE_HZ,
        "channels": 1,
        "frame_rate": FRAME_RATE_HZ,
        "seanet": asdict(seanet)
        | {
            "channels": 1,
            "causal": True,
            "n_residual_layers": 1,
            "activation": "ELU",
            "dilation_base": 2,
            "disable_norm_outer_blocks": 0,
            "norm": "none",
            "pad_mode": "constant",
            "ratios": list(seanet.ratios),
            "true_skip": True,
        },
        "quantizer": {
            "dimension": quantizer.dimension,
            "n_q": quantizer.n_q,
            "bins": quantizer.bins,
            "input_dimension": quantizer.latent_dimension,
            "output_dimension": quantizer.latent_dimension,
        },
        "transformer": {
            "d_model": transformer.dim,
            "num_heads": transformer.heads,
            "num_layers": transformer.layers,
            "causal": True,
            "layer_scale": transformer.layer_scale,
            "context": transformer.context,
            "conv_layout": True,
            "max_period": int(transformer.max_period),
            "gating": transformer.gating,
            "norm": transformer.norm,
            "positional_embedding": "rope",
            "dim_feedforward": transformer.hidden,
            "input_dimension": transformer.dim,
            "output_dimensions": [transformer.dim],
        },
    }
