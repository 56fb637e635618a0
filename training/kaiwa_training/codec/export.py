"""Writes a trained codec as the services and others read it."""

import json
from pathlib import Path

import torch
from kaiwa_server.models.mimi import Mimi
from safetensors.torch import save_file

from kaiwa_training.codec.shape import to_json


def export_codec(mimi: Mimi, folder: Path) -> None:
    """Writes the weights in fp16, the codebooks' entries as if each was used once, the config."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: weight.cpu().clone() for name, weight in mimi.state_dict().items()}
    for name in [name for name in weights if name.endswith("cluster_usage")]:
        # Of the sums only their ratio to the usage counts, and in fp16 small ones lose precision.
        usage = weights[name].clamp(min=1e-5)
        weights[name.replace("cluster_usage", "embedding_sum")] /= usage[:, None]
        weights[name] = torch.ones_like(usage)
    halves = {name: weight.to(torch.float16).contiguous() for name, weight in weights.items()}
    save_file(halves, folder / "mimi.safetensors")
    (folder / "mimi_config.json").write_text(json.dumps(to_json(mimi.config), indent=1) + "\n")
