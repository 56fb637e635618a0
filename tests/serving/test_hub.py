"""Where a model's files are found, and what is said when they are not."""

from pathlib import Path

import pytest
from huggingface_hub import constants
from kaiwa_server.errors import CheckpointError
from kaiwa_server.serving.hub import EMBEDDED_MODEL_DIR, resolve_model_dir


def test_without_a_wish_it_is_the_embedded_model() -> None:
    folder = resolve_model_dir(None, None)
    assert folder == EMBEDDED_MODEL_DIR
    assert (folder / "config.json").is_file()


def test_a_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    assert resolve_model_dir(tmp_path, None) == tmp_path


def test_a_missing_folder_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="missing is not a folder"):
        resolve_model_dir(tmp_path / "missing", None)


def test_a_folder_and_a_repository_are_too_much(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="not both"):
        resolve_model_dir(tmp_path, "kyutai/moshiko-pytorch-bf16")


@pytest.mark.parametrize("repo", ["kyutai/moshiko-pytorch-bf16", "not/a/repository"])
def test_a_repository_that_cannot_be_downloaded_is_told_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, repo: str
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(CheckpointError, match=f"cannot download {repo}.*--model-dir"):
        resolve_model_dir(None, repo)
