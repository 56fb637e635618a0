"""Weights from safetensors files, checked tensor by tensor before anything is loaded.

Older files call the projections of an attention `in_proj_weight` and `out_proj.weight`, with those
of all the depformer's codebooks stacked on the first axis. Here every tensor has its newer name.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from kaiwa_server.errors import CheckpointError

ModuleT = TypeVar("ModuleT", bound=nn.Module)

FLOATS = ("F64", "F32", "F16", "BF16")
"""What safetensors calls the types that are read."""

OLDER_NAME = re.compile(r"(?P<attention>.*self_attn)\.(?P<way>in|out)_proj[._]weight")

NAMED_PROBLEMS = 5
"""How many wrong tensors an error names; of the others it says how many there are."""

HEADER_LIMIT_BYTES = 100_000_000
"""As safetensors limits it."""


class TensorSlice(Protocol):
    """A tensor of an open file, not read yet."""

    def get_dtype(self) -> str: ...
    def get_shape(self) -> list[int]: ...
    def __getitem__(self, rows: slice) -> Tensor: ...


class TensorFile(Protocol):
    """An open file, as `safetensors.safe_open` gives it without types."""

    def keys(self) -> list[str]: ...
    def get_tensor(self, key: str) -> Tensor: ...
    def get_slice(self, key: str) -> TensorSlice: ...


@dataclass(frozen=True)
class StoredTensor:
    """Where a tensor lies in its file: the part-th of the equal `parts` of `key`'s first axis."""

    key: str
    part: int
    parts: int
    dtype: str
    shape: tuple[int, ...]

    def read(self, file: TensorFile) -> Tensor:
        """Reads it from its open file, and no more than it."""
        if self.parts == 1:
            return file.get_tensor(self.key)
        rows = self.shape[0]
        return file.get_slice(self.key)[self.part * rows : (self.part + 1) * rows]


def load(
    build: Callable[[], ModuleT], path: Path, *, device: torch.device | str, dtype: torch.dtype
) -> ModuleT:
    """Builds a module for inference with the weights of a file, whatever their precision there.

    It needs no more memory than the module and its largest tensor.

    Raises:
        CheckpointError: the file is missing, cannot be read or is not of this module.
    """
    with torch.device("meta"), _Uninitialised():
        module = build()
    with _opened(path) as file:
        stored = _index(file, path)
        _check(module, stored, path)
        # Copies, since what is read is the file itself, which may change while the module lives.
        weights = {
            name: tensor.read(file).to(device=device, dtype=dtype, copy=True)
            for name, tensor in stored.items()
        }
    module.load_state_dict(weights, assign=True)
    return module.requires_grad_(False).eval()


def fingerprint(path: Path) -> str:
    """SHA-256 over the names, types, shapes and contents of a file's tensors, as 64 hex digits.

    It is the same for older and newer names.

    Raises:
        CheckpointError: the file is missing or cannot be read.
    """
    digest = hashlib.sha256()
    with _opened(path) as file:
        for name, stored in sorted(_index(file, path).items()):
            digest.update(json.dumps([name, stored.dtype, stored.shape]).encode())
            contents = stored.read(file).contiguous().flatten().view(torch.uint8)
            digest.update(contents.numpy().data)
    return digest.hexdigest()


class _Uninitialised(TorchFunctionMode):
    """Leaves out what `torch.nn.init` does, which on the meta device fills nothing, slowly."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", None) == "torch.nn.init":
            return kwargs.get("tensor", args[0] if args else None)
        return func(*args, **kwargs)


@contextmanager
def _opened(path: Path) -> Iterator[TensorFile]:
    try:
        file = safe_open(path, framework="pt")
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: expected a safetensors file, found none") from error
    except OSError as error:
        raise CheckpointError(f"{path}: expected a safetensors file: {error}") from error
    except SafetensorError as error:
        raise _not_whole(path, error) from error
    with file:
        yield file


def _not_whole(path: Path, error: SafetensorError) -> CheckpointError:
    expected, found = _declared_bytes(path), path.stat().st_size
    if expected is None:
        return CheckpointError(f"{path}: expected a safetensors file, found no header: {error}")
    if expected != found:
        text = f"expected {expected} bytes, as its header says, found {found}: fetch it again"
        return CheckpointError(f"{path}: {text}")
    return CheckpointError(f"{path}: expected a safetensors file: {error}")


def _declared_bytes(path: Path) -> int | None:
    """How long the header says that the file is; None when there is no header."""
    with path.open("rb") as file:
        header_bytes = int.from_bytes(file.read(8), "little")
        text = file.read(min(header_bytes, HEADER_LIMIT_BYTES))
    try:
        header = json.loads(text)
        header.pop("__metadata__", None)
        data_bytes = max(int(tensor["data_offsets"][1]) for tensor in header.values())
    except (ValueError, TypeError, AttributeError, LookupError):
        return None
    return 8 + header_bytes + data_bytes


def _index(file: TensorFile, path: Path) -> dict[str, StoredTensor]:
    """The file's tensors by their newer names."""
    index: dict[str, StoredTensor] = {}
    for key in file.keys():
        lazy = file.get_slice(key)
        for name, stored in _newer(key, lazy.get_dtype(), tuple(lazy.get_shape())):
            if name in index:
                raise CheckpointError(f"{path}: {name}: expected once, found also as {key}")
            index[name] = stored
    return index


def _newer(key: str, dtype: str, shape: Sequence[int]) -> Iterator[tuple[str, StoredTensor]]:
    """A stored tensor under its newer name, or its parts under theirs."""
    match = OLDER_NAME.fullmatch(key)
    rows_of_one = (3 if match["way"] == "in" else 1) * shape[-1] if match and shape else 0
    if not match or not rows_of_one or shape[0] % rows_of_one:
        yield key, StoredTensor(key, 0, 1, dtype, tuple(shape))
        return
    parts = shape[0] // rows_of_one
    for part in range(parts):
        name = f"{match['attention']}.{match['way']}_projs.{part}.weight"
        yield name, StoredTensor(key, part, parts, dtype, (rows_of_one, *shape[1:]))


def _check(module: nn.Module, stored: dict[str, StoredTensor], path: Path) -> None:
    """Compares what is stored with what the module is made of.

    Raises:
        CheckpointError: they differ; it names the first tensors that do.
    """
    expected = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    problems = [
        f"{name}: expected {list(shape)}, found none"
        for name, shape in expected.items()
        if name not in stored
    ]
    for name, tensor in stored.items():
        found = f"found {list(tensor.shape)} {tensor.dtype}"
        if name not in expected:
            problems.append(f"{name}: expected none, {found}")
        elif tensor.shape != expected[name]:
            problems.append(f"{name}: expected {list(expected[name])}, {found}")
        elif tensor.dtype not in FLOATS:
            problems.append(f"{name}: expected one of {', '.join(FLOATS)}, {found}")
    if problems:
        named, others = problems[:NAMED_PROBLEMS], len(problems) - NAMED_PROBLEMS
        more = f"; and {others} more" if others > 0 else ""
        raise CheckpointError(f"{path}: {'; '.join(named)}{more}")
