"""Weights files, whole and spoilt in every way."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from kaiwa_server.errors import CheckpointError
from kaiwa_server.models.lm import MoshiLm
from kaiwa_server.models.weights import fingerprint, load
from models.tiny_lm import TINY, tiny_lm
from safetensors.torch import save_file
from torch import Tensor

Weights = dict[str, Tensor]
ALPHA = "transformer.layers.0.norm1.alpha"
IN_PROJ = "transformer.layers.1.self_attn.in_projs.0.weight"


@pytest.fixture
def weights() -> Weights:
    return tiny_lm().state_dict()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.safetensors"


def load_tiny(path: Path, dtype: torch.dtype = torch.float32) -> MoshiLm:
    return load(lambda: MoshiLm(TINY), path, device="cpu", dtype=dtype)


def refusal(path: Path) -> str:
    """What loading says, which fingerprinting cannot say better."""
    with pytest.raises(CheckpointError) as error:
        load_tiny(path)
    return str(error.value)


def older(weights: Weights) -> Weights:
    """The weights under the names of the released files."""
    renamed = {n: w for n, w in weights.items() if "in_projs" not in n and "out_projs" not in n}
    for layers, parts in (("transformer.layers", 1), ("depformer.layers", TINY.codebooks)):
        for layer in range(2):
            attention = f"{layers}.{layer}.self_attn"
            for new, old in (("in_projs", "in_proj_weight"), ("out_projs", "out_proj.weight")):
                stacked = [weights[f"{attention}.{new}.{i}.weight"] for i in range(parts)]
                renamed[f"{attention}.{old}"] = torch.cat(stacked)
    return renamed


def test_a_module_gets_exactly_what_was_saved_and_is_ready_for_inference(
    weights: Weights, path: Path
) -> None:
    save_file(weights, path)
    lm = load_tiny(path)
    assert all(torch.equal(weight, weights[name]) for name, weight in lm.state_dict().items())
    assert not lm.training
    assert not any(weight.requires_grad for weight in lm.parameters())


@pytest.mark.parametrize("stored", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("wanted", [torch.float32, torch.bfloat16])
def test_any_precision_is_read_as_any_other(
    weights: Weights, path: Path, stored: torch.dtype, wanted: torch.dtype
) -> None:
    save_file({name: weight.to(stored) for name, weight in weights.items()}, path)
    lm = load_tiny(path, wanted)
    for name, weight in lm.state_dict().items():
        assert torch.equal(weight, weights[name].to(stored).to(wanted)), name


def test_a_loaded_module_does_not_follow_its_file(weights: Weights, path: Path) -> None:
    save_file(weights, path)
    lm = load_tiny(path)
    with path.open("r+b") as file:
        file.seek(-1000, 2)
        file.write(b"\xff" * 1000)
    assert all(torch.equal(weight, weights[name]) for name, weight in lm.state_dict().items())


def test_older_names_are_the_same_weights_and_have_the_same_fingerprint(
    weights: Weights, tmp_path: Path
) -> None:
    save_file(weights, tmp_path / "newer.safetensors")
    save_file(older(weights), tmp_path / "older.safetensors")
    lm = load_tiny(tmp_path / "older.safetensors")
    assert all(torch.equal(weight, weights[name]) for name, weight in lm.state_dict().items())
    assert fingerprint(tmp_path / "older.safetensors") == fingerprint(
        tmp_path / "newer.safetensors"
    )


def test_a_fingerprint_is_a_fixed_function_of_the_tensors(path: Path) -> None:
    tensors = {"b": torch.arange(6.0).reshape(2, 3), "a": torch.tensor(1.5).half()}
    save_file(tensors, path, metadata={"by": "whom"})
    hashed = (
        *(b'["a", "F16", []]', np.float16(1.5).tobytes()),
        *(b'["b", "F32", [2, 3]]', np.arange(6, dtype=np.float32).tobytes()),
    )
    assert fingerprint(path) == hashlib.sha256(b"".join(hashed)).hexdigest()


def renamed(weights: Weights) -> Weights:
    return {name.replace("text_emb", "text_embedding"): w for name, w in weights.items()}


def reshaped(weights: Weights) -> Weights:
    return weights | {ALPHA: weights[ALPHA].reshape(1, 16)}


def retyped(weights: Weights) -> Weights:
    return weights | {ALPHA: weights[ALPHA].half()}


def changed(weights: Weights) -> Weights:
    return weights | {ALPHA: weights[ALPHA] + 1e-6}


@pytest.mark.parametrize("change", [renamed, reshaped, retyped, changed])
def test_another_name_shape_type_or_value_is_another_fingerprint(
    weights: Weights, tmp_path: Path, change: Callable[[Weights], Weights]
) -> None:
    save_file(weights, tmp_path / "one.safetensors")
    save_file(change(weights), tmp_path / "other.safetensors")
    one, other = (fingerprint(tmp_path / f"{name}.safetensors") for name in ("one", "other"))
    assert len(one) == len(other) == 64
    assert one != other


def test_a_missing_file_is_named(path: Path) -> None:
    assert refusal(path) == f"{path}: expected a safetensors file, found none"
    with pytest.raises(CheckpointError, match="found none"):
        fingerprint(path)


def test_a_folder_is_not_a_file(path: Path) -> None:
    path.mkdir()
    assert refusal(path).startswith(f"{path}: expected a safetensors file: ")


@pytest.mark.parametrize("lost", [1, 1000])
def test_a_truncated_file_is_named_with_both_lengths(
    weights: Weights, path: Path, lost: int
) -> None:
    save_file(weights, path)
    whole = path.stat().st_size
    path.write_bytes(path.read_bytes()[:-lost])
    assert refusal(path) == (
        f"{path}: expected {whole} bytes, as its header says, found {whole - lost}: fetch it again"
    )
    with pytest.raises(CheckpointError, match="fetch it again"):
        fingerprint(path)


def test_a_file_with_something_behind_it_is_refused(weights: Weights, path: Path) -> None:
    save_file(weights, path)
    whole = path.stat().st_size
    path.write_bytes(path.read_bytes() + b"more")
    assert f"expected {whole} bytes, as its header says, found {whole + 4}" in refusal(path)


def cut_in_the_header(contents: bytes) -> bytes:
    return contents[:50]


def empty(_contents: bytes) -> bytes:
    return b""


def zip_archive(contents: bytes) -> bytes:
    return b"PK\x03\x04" + contents


def no_json(contents: bytes) -> bytes:
    return contents[:8] + b"x" + contents[9:]


def endless_header(contents: bytes) -> bytes:
    return b"\xff" * 8 + contents[8:]


def header_of(header: object) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text


def list_as_header(_contents: bytes) -> bytes:
    return header_of([1, 2, 3])


def tensor_without_a_place(_contents: bytes) -> bytes:
    return header_of({"a": {"dtype": "F32", "shape": [1]}})


def tensor_of_no_length(_contents: bytes) -> bytes:
    return header_of({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 0]}})


@pytest.mark.parametrize(
    "spoil",
    [
        *(cut_in_the_header, empty, zip_archive, no_json, endless_header),
        *(list_as_header, tensor_without_a_place, tensor_of_no_length),
    ],
)
def test_a_file_with_a_spoilt_header_is_named(
    weights: Weights, path: Path, spoil: Callable[[bytes], bytes]
) -> None:
    save_file(weights, path)
    path.write_bytes(spoil(path.read_bytes()))
    assert refusal(path).startswith(f"{path}: expected a safetensors file")
    with pytest.raises(CheckpointError, match="expected a safetensors file"):
        fingerprint(path)


def test_a_missing_tensor_is_named_with_its_shape(weights: Weights, path: Path) -> None:
    del weights[ALPHA]
    save_file(weights, path)
    assert refusal(path) == f"{path}: {ALPHA}: expected [1, 1, 16], found none"


def test_an_unexpected_tensor_is_named(weights: Weights, path: Path) -> None:
    save_file(weights | {"condition_provider.x": torch.zeros(2, 3).half()}, path)
    assert refusal(path) == f"{path}: condition_provider.x: expected none, found [2, 3] F16"


def test_a_tensor_of_another_shape_is_named_with_both_shapes(weights: Weights, path: Path) -> None:
    save_file(reshaped(weights), path)
    assert refusal(path) == f"{path}: {ALPHA}: expected [1, 1, 16], found [1, 16] F32"


def test_whole_numbers_are_not_taken_for_weights(weights: Weights, path: Path) -> None:
    save_file(weights | {ALPHA: weights[ALPHA].to(torch.int8)}, path)
    assert refusal(path) == (
        f"{path}: {ALPHA}: expected one of F64, F32, F16, BF16, found [1, 1, 16] I8"
    )


def test_of_many_wrong_tensors_the_first_are_named_and_the_others_counted(
    weights: Weights, path: Path
) -> None:
    save_file({name: w for name, w in weights.items() if not name.startswith("depformer.")}, path)
    missing = sum(name.startswith("depformer.") for name in weights)
    text = refusal(path)
    assert text.count("expected") == 5
    assert text.endswith(f"; and {missing - 5} more")


def test_a_file_of_another_model_is_refused_at_once(path: Path) -> None:
    save_file({"weight": torch.zeros(3)}, path)
    assert "emb.0.weight: expected [21, 16], found none" in refusal(path)


@pytest.mark.parametrize("shape", [(47, 16), (96, 16), (16,), ()])
def test_an_older_projection_that_does_not_fit_is_named(
    weights: Weights, path: Path, shape: tuple[int, ...]
) -> None:
    spoilt = older(weights)
    spoilt["transformer.layers.1.self_attn.in_proj_weight"] = torch.zeros(shape)
    save_file(spoilt, path)
    assert "transformer.layers.1.self_attn.in_proj" in refusal(path)


def test_a_tensor_under_both_its_names_is_refused(weights: Weights, path: Path) -> None:
    both = weights | {"transformer.layers.1.self_attn.in_proj_weight": torch.zeros(48, 16)}
    save_file(both, path)
    assert f"{path}: {IN_PROJ}: expected once" in refusal(path)
