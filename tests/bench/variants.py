"""Ours in each arithmetic that is offered.

Besides its time, a variant that is not exact is judged by how often its tokens equal the exact
one's.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from kaiwa_server.models import weights
from kaiwa_server.models.lm import MoshiLm
from kaiwa_server.models.lm_config import LmConfig
from kaiwa_server.models.mimi import Mimi
from kaiwa_server.models.mimi_config import MimiConfig
from kaiwa_server.models.packing import pack
from torch import nn

ModuleT = TypeVar("ModuleT", bound=nn.Module)


@dataclass(frozen=True)
class Variant:
    """One way to load ours; `reduced` ones have targets of their own."""

    name: str
    reduced: bool
    sound_dtype: torch.dtype
    """What Mimi's encoder wants its samples in."""
    load_mimi: Callable[[MimiConfig, Path], Mimi]
    load_lm: Callable[[LmConfig, Path], MoshiLm]


def _loaded_in(name: str, dtype: torch.dtype) -> Variant:
    """Every weight in this precision, as the services load them."""

    def load_mimi(config: MimiConfig, path: Path) -> Mimi:
        return weights.load(lambda: Mimi(config), path, device="cpu", dtype=dtype)

    def load_lm(config: LmConfig, path: Path) -> MoshiLm:
        return weights.load(lambda: MoshiLm(config), path, device="cpu", dtype=dtype)

    return Variant(name, dtype != torch.float32, dtype, load_mimi, load_lm)


EXACT = _loaded_in("fp32", torch.float32)


def _packed(module: ModuleT) -> ModuleT:
    pack(module)
    return module


PACKED = Variant(
    "bf16 products",
    True,
    torch.float32,
    lambda config, path: _packed(EXACT.load_mimi(config, path)),
    lambda config, path: _packed(EXACT.load_lm(config, path)),
)

VARIANTS = (EXACT, PACKED)
"""The exact one comes first."""


def named(names: tuple[str, ...]) -> list[Variant]:
    """The variants of these names, in the order of the registry."""
    return [variant for variant in VARIANTS if variant.name in names]
