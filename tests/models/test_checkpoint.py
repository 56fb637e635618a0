"""Folders of Kyutai's layout: whole, half, spoilt."""

import json
import shutil
from importlib import resources
from pathlib import Path

import pytest
import torch
from kaiwa_server.errors import CheckpointError
from kaiwa_server.models.checkpoint import Checkpoint, load_lm, load_mimi
from kaiwa_server.models.lm_config import LmConfig
from kaiwa_server.models.mimi_config import MimiConfig


@pytest.fixture
def model_dir(tmp_path: Path) -> Path:
    """A copy of the embedded model."""
    copy = tmp_path / "tiny"
    shutil.copytree(str(resources.files("kaiwa_server") / "tiny-moshi"), copy)
    return copy


def set_config(model_dir: Path, **keys: object) -> None:
    path = model_dir / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | keys))


def test_both_models_of_the_embedded_folder_load(model_dir: Path) -> None:
    checkpoint = Checkpoint.open(model_dir)
    lm, mimi = load_lm(checkpoint), load_mimi(checkpoint)
    assert checkpoint.name == "tiny"
    assert (lm.config.codebooks, mimi.num_codebooks) == (8, 8)
    assert (lm.config.codebook_size, mimi.codebook_size) == (512, 512)
    assert checkpoint.tokenizer_path == model_dir / "tokenizer.model"
    for module in (lm, mimi):
        tensors = [*module.parameters(), *module.buffers()]
        assert {tensor.device.type for tensor in tensors} == {"cpu"}
        assert {tensor.dtype for tensor in tensors} == {torch.float32}


def test_without_a_config_the_folder_is_moshi_7b_s(tmp_path: Path) -> None:
    checkpoint = Checkpoint.open(tmp_path)
    assert checkpoint.lm_config == LmConfig()
    assert checkpoint.mimi_config == MimiConfig()
    names = ["model.safetensors", "tokenizer-e351c8d8-checkpoint125.safetensors"]
    for name in (*names, "tokenizer_spm_32k_3.model"):
        (tmp_path / name).touch()
    paths = (checkpoint.lm_path, checkpoint.mimi_path, checkpoint.tokenizer_path)
    assert [path.name for path in paths] == [*names, "tokenizer_spm_32k_3.model"]


def test_a_folder_with_the_codec_alone_serves_the_codec(model_dir: Path) -> None:
    (model_dir / "model.safetensors").unlink()
    (model_dir / "tokenizer.model").unlink()
    set_config(model_dir, conditioners={"description": {}})  # asks for another kind of LM
    checkpoint = Checkpoint.open(model_dir)
    assert load_mimi(checkpoint).num_codebooks == 8
    with pytest.raises(CheckpointError, match="conditioners"):
        load_lm(checkpoint)


def test_a_folder_with_the_lm_alone_serves_the_lm(model_dir: Path) -> None:
    (model_dir / "mimi.safetensors").unlink()
    (model_dir / "mimi_config.json").unlink()
    checkpoint = Checkpoint.open(model_dir)
    assert load_lm(checkpoint).config.codebooks == 8
    with pytest.raises(CheckpointError, match=r"mimi_config\.json: expected a file"):
        load_mimi(checkpoint)


@pytest.mark.parametrize(
    ("name", "key"),
    [("model.safetensors", "moshi_name"), ("tokenizer.model", "tokenizer_name")],
)
def test_a_missing_file_is_named_with_its_key(model_dir: Path, name: str, key: str) -> None:
    (model_dir / name).unlink()
    checkpoint = Checkpoint.open(model_dir)
    with pytest.raises(CheckpointError) as error:
        _ = checkpoint.lm_path if key == "moshi_name" else checkpoint.tokenizer_path
    assert str(error.value) == f"{model_dir / name}: expected a file ({key}), found none"


def test_files_are_called_as_the_config_says(model_dir: Path) -> None:
    (model_dir / "model.safetensors").rename(model_dir / "other.safetensors")
    set_config(model_dir, moshi_name="other.safetensors")
    assert Checkpoint.open(model_dir).lm_path.name == "other.safetensors"


@pytest.mark.parametrize(
    "name", ["../model.safetensors", "/etc/passwd", "hf://a/b/c.safetensors", "", 3]
)
def test_a_name_that_leads_out_of_the_folder_is_refused(model_dir: Path, name: object) -> None:
    set_config(model_dir, moshi_name=name)
    with pytest.raises(CheckpointError, match=r"moshi_name is .*: expected the name of a file"):
        _ = Checkpoint.open(model_dir).lm_path


@pytest.mark.parametrize("contents", ["", "{", "[1, 2]", "\x00\xff", '"text"'])
@pytest.mark.parametrize("name", ["config.json", "mimi_config.json"])
def test_a_spoilt_config_is_named(model_dir: Path, name: str, contents: str) -> None:
    (model_dir / name).write_bytes(contents.encode("latin-1"))
    with pytest.raises(CheckpointError) as error:
        load_mimi(Checkpoint.open(model_dir))
    assert str(error.value).startswith(f"{model_dir / name}: expected a JSON object")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="missing: expected a folder with a model"):
        Checkpoint.open(tmp_path / "missing")


def test_the_codec_uses_as_many_codebooks_as_the_lm_reads(model_dir: Path) -> None:
    set_config(model_dir, dep_q=4)
    assert load_mimi(Checkpoint.open(model_dir)).num_codebooks == 4
    set_config(model_dir, dep_q="4")
    with pytest.raises(CheckpointError, match="dep_q is '4'"):
        load_mimi(Checkpoint.open(model_dir))


def test_weights_of_another_shape_than_the_config_says_are_refused(model_dir: Path) -> None:
    set_config(model_dir, dim=96)
    with pytest.raises(CheckpointError, match=r"model\.safetensors: .*expected \[.*more$"):
        load_lm(Checkpoint.open(model_dir))


@pytest.mark.parametrize("name", ["model.safetensors", "mimi.safetensors"])
def test_a_truncated_file_is_refused_by_whoever_needs_it(model_dir: Path, name: str) -> None:
    path = model_dir / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    checkpoint = Checkpoint.open(model_dir)
    load = load_lm if name == "model.safetensors" else load_mimi
    with pytest.raises(CheckpointError, match=f"{name}: expected .* bytes"):
        load(checkpoint)
