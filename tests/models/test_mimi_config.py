"""Reading a checkpoint's mimi_config.json."""

import json
from importlib import resources
from typing import Any

import pytest
from kaiwa_server.errors import CheckpointError
from kaiwa_server.models.mimi_config import MimiConfig
from moshi.models import loaders


@pytest.fixture
def settings() -> dict[str, Any]:
    file = resources.files("kaiwa_server") / "tiny-moshi" / "mimi_config.json"
    read: dict[str, Any] = json.loads(file.read_text())
    return read


def test_the_default_is_the_released_mimi() -> None:
    assert MimiConfig.from_json(loaders._mimi_config) == MimiConfig()


def test_the_embedded_mimi_is_read(settings: dict[str, Any]) -> None:
    config = MimiConfig.from_json(settings)
    assert (config.seanet.dimension, config.transformer.context) == (160, 16)
    assert (config.quantizer.bins, config.num_codebooks) == (512, 8)
    assert config.latents_per_frame == 2


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        (None, "sample_rate", 16_000),
        (None, "frame_rate", 25),
        ("seanet", "norm", "weight_norm"),
        ("seanet", "ratios", [7, 6, 5, 4]),
        ("transformer", "gating", "silu"),
        ("transformer", "input_dimension", 64),
        ("quantizer", "n_q", 4),
    ],
)
def test_a_value_that_is_not_implemented_is_refused(
    settings: dict[str, Any], section: str | None, name: str, value: object
) -> None:
    (settings[section] if section else settings)[name] = value
    with pytest.raises(CheckpointError):
        MimiConfig.from_json(settings)


@pytest.mark.parametrize(
    ("section", "name"), [("seanet", "ratios"), ("transformer", "context"), ("quantizer", "bins")]
)
def test_a_setting_that_is_missing_is_named(
    settings: dict[str, Any], section: str, name: str
) -> None:
    del settings[section][name]
    with pytest.raises(CheckpointError, match=name):
        MimiConfig.from_json(settings)
