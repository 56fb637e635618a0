"""What the LM knows of the user's tokens before it is trained: which of them sound alike."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from kaiwa_server.models.lm import MoshiLm
from numpy.typing import NDArray


@dataclass(frozen=True)
class Hearing:
    """For each heard codebook what its entries are like, [entries, features] each."""

    entries: tuple[NDArray[np.float32], ...]

    def save(self, path: Path) -> None:
        """Writes it as an npz file."""
        np.savez(path, *self.entries)

    @classmethod
    def load(cls, path: Path) -> "Hearing":
        """Reads what `save` wrote."""
        with np.load(path) as stored:
            return cls(tuple(stored[name] for name in stored.files))

    def alike(self, count: int) -> tuple[NDArray[np.int64], ...]:
        """For each heard codebook the `count` tokens most like each, [entries, count]."""
        found = []
        for features in self.entries:
            squares = np.square(features).sum(axis=1)
            distances = squares[:, None] + squares - 2 * features @ features.T
            np.fill_diagonal(distances, np.inf)
            found.append(np.argsort(distances, axis=1)[:, :count])
        return tuple(found)

    @torch.no_grad()
    def begin(self, lm: MoshiLm) -> None:
        """Starts the embeddings of the user's codebooks where tokens that sound alike lie close.

        They keep the size that they had.
        """
        for codebook, features in enumerate(self.entries):
            weight = lm.emb[lm.config.codebooks + codebook].get_parameter("weight")
            known = torch.from_numpy(features).to(weight)
            known = (known - known.mean(dim=0)) / known.std()
            mixed = known @ torch.randn(known.shape[1], weight.shape[1]).to(weight)
            weight[: len(known)] = mixed * (weight.std() / mixed.std())
