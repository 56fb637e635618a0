"""The shape of a Moshi language model, and how Kyutai's `config.json` says it."""

from collections.abc import Mapping
from dataclasses import dataclass

from kaiwa_server.errors import CheckpointError
from kaiwa_server.models.depformer import DepformerConfig
from kaiwa_server.models.transformer import TransformerConfig

Json = Mapping[str, object]

ONLY = {
    "norm": "rms_norm_f32",
    "gating": "silu",
    "positional_embedding": "rope",
    "depformer_pos_emb": "none",
    "depformer_multi_linear": True,
    "depformer_weights_per_step": True,
}
"""Keys that must be there, with the one value of them that is served."""

ONLY_IF_SAID = {
    "model_type": "moshi",
    "causal": True,
    "depformer_gating": "silu",
    "kv_repeat": 1,
    "depformer_kv_repeat": 1,
}
"""Keys that may be left out, with the one value of them that is served."""

READ = {
    *("dim", "num_heads", "num_layers", "hidden_scale", "context", "max_period"),
    *("depformer_dim", "depformer_num_heads", "depformer_num_layers", "depformer_dim_feedforward"),
    *("text_card", "text_card_out", "card", "n_q", "dep_q", "delays", "fuser"),
    *("existing_text_padding_id", "existing_text_end_padding_id"),
}
"""Keys that `from_json` reads."""

NO_MATTER = {
    *("moshi_name", "mimi_name", "mimi_config_name", "tokenizer_name", "model_id"),
    # The contract says how sessions sample.
    "lm_gen_config",
    # Details of features that are refused by their own keys.
    *("lora_rank", "lora_scaling", "extra_heads_dim", "positional_scale"),
    # The depformer sees all codebooks and has no positions, whatever these say.
    *("depformer_causal", "depformer_context", "depformer_max_period"),
    # Of training alone.
    *("betas", "gradient_checkpointing", "checkpointing"),
}
"""Keys that change nothing here."""

FUSED = ("sum", "cross", "prepend")
"""What a `fuser` lists conditions under."""


TEMPORAL_7B = TransformerConfig(
    dim=4096,
    heads=32,
    layers=32,
    hidden=11_264,
    context=3000,
    norm="rms_norm_f32",
    gating="silu",
)

DEPFORMER_7B = DepformerConfig(dim=1024, heads=16, layers=6, hidden=2816)


@dataclass(frozen=True)
class LmConfig:
    """The shape of a Moshi language model; the defaults are Moshi 7B's.

    `delays` are those of the text, Moshi's codebooks and the user's, in steps.
    """

    temporal: TransformerConfig = TEMPORAL_7B
    depformer: DepformerConfig = DEPFORMER_7B
    text_vocabulary_size: int = 32_000
    codebooks: int = 8
    codebook_size: int = 2048
    delays: tuple[int, ...] = (0, *(0, 1, 1, 1, 1, 1, 1, 1), *(0, 1, 1, 1, 1, 1, 1, 1))
    text_padding_token: int = 3
    text_end_of_padding_token: int = 0

    @classmethod
    def from_json(cls, config: Json) -> "LmConfig":
        """Reads the LM's part of a `config.json`.

        Raises:
            CheckpointError: a key is missing, is not what it should be, or asks for something that
                is not served here.
        """
        _refuse_unserved(config)
        codebooks = _whole(config, "dep_q")
        text_vocabulary_size = _whole(config, "text_card")
        _expect(config, "n_q", 2 * codebooks, "twice dep_q, for two voices")
        if config.get("text_card_out") is not None:
            _expect(config, "text_card_out", text_vocabulary_size, "as text_card")
        return cls(
            temporal=_temporal(config),
            depformer=_depformer(config),
            text_vocabulary_size=text_vocabulary_size,
            codebooks=codebooks,
            codebook_size=_whole(config, "card"),
            delays=_delays(config, streams=1 + 2 * codebooks),
            text_padding_token=_whole(config, "existing_text_padding_id", default=3, least=0),
            text_end_of_padding_token=_whole(
                config, "existing_text_end_padding_id", default=0, least=0
            ),
        )


def _temporal(config: Json) -> TransformerConfig:
    dim, heads = _width(config, "dim", "num_heads")
    return TransformerConfig(
        dim=dim,
        heads=heads,
        layers=_whole(config, "num_layers"),
        hidden=_hidden(dim, int(_number(config, "hidden_scale") * dim)),
        context=_whole(config, "context"),
        norm="rms_norm_f32",
        gating="silu",
        max_period=_number(config, "max_period", default=10_000.0),
    )


def _depformer(config: Json) -> DepformerConfig:
    dim, heads = _width(config, "depformer_dim", "depformer_num_heads")
    if config.get("depformer_dim_feedforward") is None:
        feed_forward = int(_number(config, "hidden_scale") * dim)
    else:
        feed_forward = _whole(config, "depformer_dim_feedforward")
    return DepformerConfig(
        dim=dim,
        heads=heads,
        layers=_whole(config, "depformer_num_layers"),
        hidden=_hidden(dim, feed_forward),
    )


def _hidden(dim: int, feed_forward: int) -> int:
    """The width inside a gated feed-forward of about as many weights as a plain one.

    That is two thirds of the plain one's; Kyutai's round it up when that is four times `dim`.
    """
    return 21 * dim // 8 if feed_forward == 4 * dim else 2 * feed_forward // 3


def _refuse_unserved(config: Json) -> None:
    """Refuses, all at once, what the config switches on and is not served here."""
    only = ONLY | {key: value for key, value in ONLY_IF_SAID.items() if key in config}
    refused = [
        f"{key} is {config.get(key)!r}, served is {served!r}"
        for key, served in only.items()
        if config.get(key) != served
    ]
    known = {*ONLY, *ONLY_IF_SAID, *READ, *NO_MATTER}
    refused += [
        f"{key} is {value!r}, which is not served"
        for key, value in config.items()
        if key not in known and value
    ]
    fuser = config.get("fuser")
    if isinstance(fuser, Mapping) and any(fuser.get(method) for method in FUSED):
        refused.append(f"fuser is {fuser!r}, and conditions are not served")
    if refused:
        raise CheckpointError(f"config.json asks for another kind of model: {'; '.join(refused)}")


def _width(config: Json, dim_key: str, heads_key: str) -> tuple[int, int]:
    dim, heads = _whole(config, dim_key), _whole(config, heads_key)
    if dim % (2 * heads):
        raise _wrong(config, dim_key, f"a multiple of twice {heads_key} ({heads})")
    return dim, heads


def _delays(config: Json, streams: int) -> tuple[int, ...]:
    delays = config.get("delays")
    expected = f"{streams} whole numbers from 0: one for the text and each codebook of two voices"
    if not isinstance(delays, list) or len(delays) != streams:
        raise _wrong(config, "delays", expected)
    if any(type(delay) is not int or delay < 0 for delay in delays):
        raise _wrong(config, "delays", expected)
    return tuple(delays)


def _expect(config: Json, key: str, value: int, why: str) -> None:
    if config.get(key) != value:
        raise _wrong(config, key, f"{value}, {why}")


def _whole(config: Json, key: str, default: int | None = None, least: int = 1) -> int:
    value = config.get(key, default)
    if type(value) is not int or value < least:
        raise _wrong(config, key, f"a whole number from {least}")
    return value


def _number(config: Json, key: str, default: float | None = None) -> float:
    value = config.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise _wrong(config, key, "a number above 0")
    return float(value)


def _wrong(config: Json, key: str, expected: str) -> CheckpointError:
    found = repr(config[key]) if key in config else "missing"
    return CheckpointError(f"config.json: {key} is {found}: expected {expected}")
