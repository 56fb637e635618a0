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
from kaiwa_server.models.packing import pack_for_cpu
from kaiwa_server.models.products import Precision
from torch import nn

ModuleT = TypeVar("ModuleT", bound=nn.Module)


@dataclass(frozen=True)
class Variant:
    """One way to load ours; `reduced` ones have targets of their own."""

    name: str
    reduced: bool
    load_mimi: Callable[[MimiConfig, Path], Mimi]
    load_lm: Callable[[LmConfig, Path], MoshiLm]


def _served(precision: Precision) -> Variant:
    """As the services load it with `--precision` on a CPU."""

    def load(build: Callable[[], ModuleT], path: Path) -> ModuleT:
        module = weights.load(build, path, device="cpu", dtype=torch.float32)
        pack_for_cpu(module, precision)
        return module

    return Variant(
        precision,
        precision != "fp32",
        lambda config, path: load(lambda: Mimi(config), path),
        lambda config, path: load(lambda: MoshiLm(config), path),
    )


EXACT = _served("fp32")

VARIANTS = (EXACT, _served("bf16"), _served("int8"))
"""The exact one comes first."""


def named(names: tuple[str, ...]) -> list[Variant]:
    """The variants of these names, in the order of the registry."""
    return [variant for variant in VARIANTS if variant.name in names]
