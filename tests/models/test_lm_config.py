"""What `config.json` may say of the language model, and what is refused by name."""

import json
from importlib import resources

import pytest
from kaiwa_server.errors import CheckpointError
from kaiwa_server.models.depformer import DepformerConfig
from kaiwa_server.models.lm_config import LmConfig

Json = dict[str, object]


@pytest.fixture
def config() -> Json:
    """The embedded model's."""
    path = resources.files("kaiwa_server") / "tiny-moshi" / "config.json"
    loaded: Json = json.loads(path.read_text())
    return loaded


def refusal(config: Json) -> str:
    with pytest.raises(CheckpointError) as error:
        LmConfig.from_json(config)
    return str(error.value)


def test_the_embedded_model_s_config_is_read(config: Json) -> None:
    lm = LmConfig.from_json(config)
    assert (lm.temporal.dim, lm.temporal.heads, lm.temporal.layers) == (192, 6, 4)
    assert (lm.temporal.hidden, lm.temporal.context) == (528, 160)
    assert lm.depformer == DepformerConfig(dim=96, heads=4, layers=2, hidden=160)
    assert (lm.text_vocabulary_size, lm.codebooks, lm.codebook_size) == (187, 8, 512)
    assert lm.delays == LmConfig().delays
    assert (lm.text_padding_token, lm.text_end_of_padding_token) == (3, 0)


@pytest.mark.parametrize(
    ("feed_forward", "hidden"), [(384, 252), (383, 255), (396, 264), (None, 264)]
)
def test_a_gated_feed_forward_is_as_wide_as_the_reference_makes_it(
    config: Json, feed_forward: int | None, hidden: int
) -> None:
    config["depformer_dim_feedforward"] = feed_forward
    assert LmConfig.from_json(config).depformer.hidden == hidden


@pytest.mark.parametrize(
    "off",
    [
        {"lora": False, "lora_name": None, "lora_rank": 128, "lora_scaling": 2.0},
        {"conditioners": {}, "fuser": None, "cross_attention": False},
        {"fuser": {"sum": [], "cross": [], "prepend": [], "cross_attention_pos_emb_scale": 1}},
        {"demux_second_stream": False, "demux_second_text_stream": False},
        {"depformer_causal": False, "depformer_weights_per_step_schedule": None},
        {"text_card_out": None, "extra_heads_num_heads": 0, "extra_heads_dim": 6},
        {"text_card_out": 187, "kv_repeat": 1, "quantize": False, "bias_proj": False},
        {"lm_gen_config": {"temp": 0.9}, "model_id": {"sig": "a"}, "stt_config": {}},
        {"something_new": None, "something_else": []},
    ],
)
def test_what_is_switched_off_is_ignored(config: Json, off: Json) -> None:
    assert LmConfig.from_json(config | off) == LmConfig.from_json(config)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("lora", True),
        ("lora_name", "lora.safetensors"),
        ("conditioners", {"description": {"type": "lut"}}),
        ("fuser", {"sum": ["description"]}),
        ("cross_attention", True),
        ("demux_second_stream", True),
        ("demux_second_text_stream", True),
        ("depformer_weights_per_step_schedule", [0, 0, 0, 0, 1, 1, 1, 1]),
        ("depformer_low_rank_embeddings", 32),
        ("depformer_norm", "rms_norm_f32"),
        ("layer_scale", 0.01),
        ("extra_heads_num_heads", 4),
        ("quantize", True),
        ("stt_config", {"audio_delay_seconds": 0.5}),
        ("something_new", 1),
        ("model_type", "hibiki"),
        ("causal", False),
        ("kv_repeat", 2),
        ("norm", "layer_norm"),
        ("gating", "none"),
        ("positional_embedding", "sin"),
        ("depformer_pos_emb", "sin"),
        ("depformer_multi_linear", False),
        ("depformer_weights_per_step", False),
    ],
)
def test_what_is_not_served_is_refused_by_name(config: Json, key: str, value: object) -> None:
    text = refusal(config | {key: value})
    assert text.startswith("config.json")
    assert f"{key} is {value!r}" in text


def test_all_that_is_not_served_is_refused_at_once(config: Json) -> None:
    text = refusal(config | {"lora": True, "cross_attention": True, "gating": "none"})
    assert all(key in text for key in ("lora is True", "cross_attention is True", "gating is"))


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("dim", 190, "a multiple of twice num_heads (6)"),
        ("depformer_dim", 100, "a multiple of twice depformer_num_heads (4)"),
        ("dim", "192", "a whole number from 1"),
        ("num_layers", 0, "a whole number from 1"),
        ("context", True, "a whole number from 1"),
        ("hidden_scale", None, "a number above 0"),
        ("max_period", -1, "a number above 0"),
        ("depformer_dim_feedforward", [396] * 8, "a whole number from 1"),
        ("n_q", 8, "16, twice dep_q, for two voices"),
        ("text_card_out", 200, "187, as text_card"),
        ("delays", [0, 1], "17 whole numbers from 0"),
        ("delays", [0.5] * 17, "17 whole numbers from 0"),
        ("delays", [-1] * 17, "17 whole numbers from 0"),
        ("existing_text_padding_id", -3, "a whole number from 0"),
    ],
)
def test_a_wrong_value_is_named_with_what_it_should_be(
    config: Json, key: str, value: object, expected: str
) -> None:
    text = refusal(config | {key: value})
    assert text.startswith(f"config.json: {key} is {value!r}: expected {expected}")


@pytest.mark.parametrize(
    "key", ["dim", "num_heads", "hidden_scale", "context", "dep_q", "n_q", "card", "delays"]
)
def test_a_missing_key_is_named(config: Json, key: str) -> None:
    del config[key]
    assert refusal(config).startswith(f"config.json: {key} is missing: expected")


@pytest.mark.parametrize("key", ["norm", "gating", "positional_embedding", "depformer_pos_emb"])
def test_a_key_whose_absence_means_another_model_is_missed(config: Json, key: str) -> None:
    del config[key]
    assert f"{key} is None" in refusal(config)
