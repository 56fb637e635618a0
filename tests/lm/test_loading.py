from pathlib import Path

import pytest
from kaiwa_server.errors import CheckpointError
from kaiwa_server.lm.__main__ import load_tokenizer


def test_a_tokenizer_that_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.model"
    path.write_bytes(b"not a model")
    with pytest.raises(CheckpointError, match=r"tokenizer\.model: expected a sentencepiece model"):
        load_tokenizer(path)
