"""A folder of Kyutai's layout: which file is what, and the models in it.

`config.json` names the other files and says the LM's shape; without it the folder is Moshi 7B's.
The folder may hold one of the two models alone: nothing is looked at before it is asked for.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import torch

from kaiwa_server.errors import CheckpointError
from kaiwa_server.models import weights
from kaiwa_server.models.lm import MoshiLm
from kaiwa_server.models.lm_config import Json, LmConfig
from kaiwa_server.models.mimi import Mimi
from kaiwa_server.models.mimi_config import MimiConfig

CONFIG_NAME = "config.json"

DEFAULT_NAMES = {
    "moshi_name": "model.safetensors",
    "mimi_name": "tokenizer-e351c8d8-checkpoint125.safetensors",
    "tokenizer_name": "tokenizer_spm_32k_3.model",
}
"""What the files are called when `config.json` does not say."""


@dataclass(frozen=True)
class Checkpoint:
    """An opened folder; `config` is its `config.json`, None when there is none."""

    model_dir: Path
    config: Json | None

    @classmethod
    def open(cls, model_dir: Path) -> "Checkpoint":
        """Reads the folder's `config.json`, if it has one.

        Raises:
            CheckpointError: there is no such folder, or its `config.json` cannot be read.
        """
        if not model_dir.is_dir():
            raise CheckpointError(f"{model_dir}: expected a folder with a model, found none")
        path = model_dir / CONFIG_NAME
        return cls(model_dir, _read_json(path) if path.exists() else None)

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.model_dir.resolve().name

    @property
    def lm_config(self) -> LmConfig:
        """The LM's shape.

        Raises:
            CheckpointError: `config.json` asks for another kind of model.
        """
        return LmConfig() if self.config is None else LmConfig.from_json(self.config)

    @property
    def mimi_config(self) -> MimiConfig:
        """The codec's shape.

        Raises:
            CheckpointError: its config file is missing or asks for another kind of model.
        """
        config = self.config or {}
        codebooks = config.get("dep_q", MimiConfig.num_codebooks)
        if type(codebooks) is not int:
            raise CheckpointError(f"config.json: dep_q is {codebooks!r}: expected a whole number")
        if config.get("mimi_config_name") is None:
            return MimiConfig(num_codebooks=codebooks)
        return MimiConfig.from_json(_read_json(self._path("mimi_config_name")), codebooks)

    @property
    def lm_path(self) -> Path:
        """The LM's weights; raises `CheckpointError` when there is no such file."""
        return self._path("moshi_name")

    @property
    def mimi_path(self) -> Path:
        """The codec's weights; raises `CheckpointError` when there is no such file."""
        return self._path("mimi_name")

    @property
    def tokenizer_path(self) -> Path:
        """The text tokenizer; raises `CheckpointError` when there is no such file."""
        return self._path("tokenizer_name")

    def _path(self, key: str) -> Path:
        """The file that the config's `key` names.

        Raises:
            CheckpointError: it is not the plain name of a file in the folder.
        """
        name = (self.config or {}).get(key, DEFAULT_NAMES.get(key))
        if not isinstance(name, str) or not name or Path(name).name != name:
            text = f"{key} is {name!r}: expected the name of a file in the same folder"
            raise CheckpointError(f"{self.model_dir / CONFIG_NAME}: {text}")
        path = self.model_dir / name
        if not path.is_file():
            raise CheckpointError(f"{path}: expected a file ({key}), found none")
        return path


def load_lm(
    checkpoint: Checkpoint,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> MoshiLm:
    """The folder's LM.

    Raises:
        CheckpointError: a file is missing, cannot be read or is not what it should be.
    """
    config = checkpoint.lm_config
    return weights.load(lambda: MoshiLm(config), checkpoint.lm_path, device=device, dtype=dtype)


def load_mimi(
    checkpoint: Checkpoint,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Mimi:
    """The folder's codec.

    Raises:
        CheckpointError: a file is missing, cannot be read or is not what it should be.
    """
    config = checkpoint.mimi_config
    return weights.load(lambda: Mimi(config), checkpoint.mimi_path, device=device, dtype=dtype)


def _read_json(path: Path) -> Json:
    try:
        config = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: expected a JSON object: {error}") from error
    if not isinstance(config, dict):
        raise CheckpointError(f"{path}: expected a JSON object, found {type(config).__name__}")
    return config
