"""Writes a trained LM as a folder of Kyutai's layout, which the services and others read."""

import json
from pathlib import Path

import torch
from kaiwa_server.models.checkpoint import CONFIG_NAME
from kaiwa_server.models.lm import MoshiLm
from safetensors.torch import save_file

from kaiwa_training.lm.shape import to_json
from kaiwa_training.lm.tokenizer import WordTokenizer

FILE_NAMES = {
    "moshi_name": "model.safetensors",
    "mimi_name": "mimi.safetensors",
    "mimi_config_name": "mimi_config.json",
    "tokenizer_name": "tokenizer.model",
}
"""What the files of the folder are called; the codec's are not written here."""


TEXT_SHARPNESS = 4.0
"""What the text's logits are multiplied with when the LM is written.

A question has one right reply, so that a word other than the likeliest is nearly always wrong. At
the temperature that calls have by default, 0.7, the logits as they were trained cost one to two
answers in a hundred by the draw alone; these at 0.7 draw as those would at 0.18.
"""


def export_lm(lm: MoshiLm, tokenizer: WordTokenizer, folder: Path) -> None:
    """Writes the weights in fp16, those of the text's logits sharpened, config and tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {
        name: weight.to("cpu", torch.float16).contiguous()
        for name, weight in lm.state_dict().items()
    }
    weights["text_linear.weight"] *= TEXT_SHARPNESS
    save_file(weights, folder / FILE_NAMES["moshi_name"])
    tokenizer.save(folder / FILE_NAMES["tokenizer_name"])
    config = to_json(lm.config) | FILE_NAMES | {"model_type": "moshi"}
    (folder / CONFIG_NAME).write_text(json.dumps(config, indent=1) + "\n")
