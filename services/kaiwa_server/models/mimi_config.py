"""The shape of a Mimi, and how a checkpoint's `mimi_config.json` says it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from kaiwa_server.audio import FRAME_RATE_HZ, FRAME_SAMPLES, SAMPLE_RATE_HZ
from kaiwa_server.errors import CheckpointError
from kaiwa_server.models.quantizer import QuantizerConfig
from kaiwa_server.models.seanet import SeanetConfig
from kaiwa_server.models.transformer import TransformerConfig

RELEASED_TRANSFORMER = TransformerConfig(
    dim=512,
    heads=8,
    layers=8,
    hidden=2048,
    context=250,
    norm="layer_norm",
    gating="none",
    layer_scale=0.01,
)


@dataclass(frozen=True)
class MimiConfig:
    """The shape of a Mimi, by default the released one; `num_codebooks` of the stored are used."""

    seanet: SeanetConfig = field(default_factory=SeanetConfig)
    transformer: TransformerConfig = RELEASED_TRANSFORMER
    quantizer: QuantizerConfig = field(default_factory=QuantizerConfig)
    num_codebooks: int = 8

    @property
    def latents_per_frame(self) -> int:
        """How many latents the convolutions and transformers see in one frame."""
        return FRAME_SAMPLES // math.prod(self.seanet.ratios)

    @classmethod
    def from_json(cls, settings: Mapping[str, Any], num_codebooks: int = 8) -> Self:
        """The config that the contents of a `mimi_config.json` describe.

        Raises:
            CheckpointError: a setting is missing, or has a value that Kaiwa does not implement.
        """
        try:
            _expect(settings, sample_rate=SAMPLE_RATE_HZ, frame_rate=FRAME_RATE_HZ, channels=1)
            seanet = _seanet(settings["seanet"])
            config = cls(
                seanet=seanet,
                transformer=_transformer(settings["transformer"], seanet.dimension),
                quantizer=_quantizer(settings["quantizer"], seanet.dimension),
                num_codebooks=num_codebooks,
            )
        except KeyError as missing:
            raise CheckpointError(f"Mimi's config lacks {missing}") from missing
        stored = config.quantizer.n_q
        if not 2 <= num_codebooks <= stored:
            raise CheckpointError(f"{num_codebooks} codebooks are asked of a Mimi of {stored}")
        if FRAME_SAMPLES % math.prod(seanet.ratios):
            raise CheckpointError(f"Mimi's ratios {seanet.ratios} do not divide {FRAME_SAMPLES}")
        return config


def _seanet(section: Mapping[str, Any]) -> SeanetConfig:
    _expect(
        section,
        channels=1,
        causal=True,
        activation="ELU",
        norm="none",
        pad_mode="constant",
        true_skip=True,
        n_residual_layers=1,
    )
    values = {field.name: section[field.name] for field in fields(SeanetConfig)}
    return SeanetConfig(**values | {"ratios": tuple(section["ratios"])})


def _transformer(section: Mapping[str, Any], latent_dimension: int) -> TransformerConfig:
    _expect(
        section,
        d_model=latent_dimension,
        input_dimension=latent_dimension,
        output_dimensions=[latent_dimension],
        causal=True,
        conv_layout=True,
        positional_embedding="rope",
        norm="layer_norm",
        gating="none",
    )
    return TransformerConfig(
        dim=section["d_model"],
        heads=section["num_heads"],
        layers=section["num_layers"],
        hidden=section["dim_feedforward"],
        context=section["context"],
        norm="layer_norm",
        gating="none",
        layer_scale=section["layer_scale"],
        max_period=section["max_period"],
    )


def _quantizer(section: Mapping[str, Any], latent_dimension: int) -> QuantizerConfig:
    _expect(section, input_dimension=latent_dimension, output_dimension=latent_dimension)
    return QuantizerConfig(
        latent_dimension=latent_dimension,
        dimension=section["dimension"],
        n_q=section["n_q"],
        bins=section["bins"],
    )


def _expect(section: Mapping[str, Any], **values: object) -> None:
    for name, value in values.items():
        if section[name] != value:
            raise CheckpointError(f"Mimi's config has {name} = {section[name]!r}, not {value!r}")
