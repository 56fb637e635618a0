"""Models of the sizes that are compared, with random weights: made once by the reference, saved."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from parity.lm_reference import SMALL as LM_CONFIG
from parity.lm_reference import reference_lm
from parity.mimi_reference import random_mimi
from safetensors.torch import save_file
from torch import nn

SEED = 1

LM_CONFIGS: dict[str, dict[str, Any]] = {
    "small": LM_CONFIG
    | {
        "dim": 256,
        "num_heads": 4,
        "num_layers": 4,
        "context": 750,
        "text_card": 1000,
        "card": 512,
        "depformer_dim": 128,
        "depformer_num_heads": 4,
        "depformer_num_layers": 2,
        "depformer_dim_feedforward": 512,
    },
    "middle": LM_CONFIG
    | {
        "dim": 1024,
        "num_heads": 16,
        "num_layers": 12,
        "context": 750,
        "text_card": 32_000,
        "card": 2048,
        "depformer_dim": 512,
        "depformer_num_heads": 8,
        "depformer_num_layers": 4,
        "depformer_dim_feedforward": 2048,
    },
}
"""`config.json` of each language model."""


def mimi_weights(folder: Path) -> Path:
    """The file of a full-size Mimi, under the names of the released ones, which all peers read."""

    def older_names() -> dict[str, Any]:
        weights = random_mimi(SEED).state_dict()
        return {
            name.replace("in_projs.0.weight", "in_proj_weight").replace(
                "out_projs.0", "out_proj"
            ): w
            for name, w in weights.items()
        }

    return _saved(folder / f"mimi-{SEED}.safetensors", older_names)


def lm_weights(folder: Path, name: str) -> Path:
    """The file of the language model of this name."""
    path = folder / f"lm-{name}-{SEED}.safetensors"
    return _saved(path, lambda: _own_storage(reference_lm(LM_CONFIGS[name], SEED)))


def _own_storage(module: nn.Module) -> dict[str, Any]:
    return {name: weight.contiguous() for name, weight in module.state_dict().items()}


def _saved(path: Path, make: Callable[[], dict[str, Any]]) -> Path:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        save_file(make(), unfinished)
        unfinished.replace(path)
    return path
