"""Codebooks while they are learnt: entries follow the vectors they stand for.

Each entry is the moving average of the vectors it was nearest to (van den Oord et al., 2017), and
gradients pass a quantizer as if it were not there.
"""

import torch
import torch.nn.functional as F
from kaiwa_server.models.quantizer import LEAST_USAGE, Codebook, ResidualQuantizer
from torch import Tensor, nn

DECAY = 0.97
DEAD_USAGE = 0.03
"""An entry that on average so few vectors of a batch use is put on a random vector instead."""


class Learning:
    """How the codebooks of one residual quantizer follow what they see."""

    def __init__(self, quantizer: ResidualQuantizer, generator: torch.Generator) -> None:
        self.quantizer = quantizer
        self.generator = generator

    def quantize(self, latent: Tensor, *, learn: bool) -> tuple[list[Tensor], Tensor, Tensor]:
        """What the codebooks make of a latent [B, C, T].

        Returns:
            The chosen entries of each codebook, [B, T, D], the first with the gradient of what
            came in; the way back to a latent [B, C, T]; and how far the vectors are from their
            entries, a loss.
        """
        vectors = self.quantizer.input_proj(latent).transpose(1, 2)  # [B, T, D]
        rest, chosen = vectors.detach(), []
        for codebook in self.quantizer.codebooks:
            tokens = codebook.nearest(rest)
            entries = codebook.lookup(tokens)
            if learn:
                self._follow(codebook, rest.flatten(0, 1), tokens.flatten())
            rest = rest - entries
            chosen.append(entries)
        total = torch.stack(chosen).sum(dim=0)
        distance = F.mse_loss(vectors, total) + F.mse_loss(vectors, chosen[0])
        passed = vectors + (total - vectors).detach()
        chosen[0] = vectors + (chosen[0] - vectors).detach()
        return chosen, self.quantizer.output_proj(passed.transpose(1, 2)), distance

    @torch.no_grad()
    def _follow(self, codebook: Codebook, vectors: Tensor, tokens: Tensor) -> None:
        bins = codebook.entries.shape[0]
        usage = torch.bincount(tokens, minlength=bins).to(vectors.dtype)
        sums = torch.zeros_like(codebook.embedding_sum).index_add_(0, tokens, vectors)
        codebook.cluster_usage.lerp_(usage, 1 - DECAY)
        codebook.embedding_sum.lerp_(sums, 1 - DECAY)
        dead = codebook.cluster_usage < DEAD_USAGE
        if dead.any():
            picks = torch.randint(len(vectors), (int(dead.sum()),), generator=self.generator)
            codebook.embedding_sum[dead] = vectors[picks]
            codebook.cluster_usage[dead] = 1.0
        refresh(codebook)


@torch.no_grad()
def fit(
    codebooks: list[Codebook], vectors: Tensor, generator: torch.Generator, rounds: int
) -> None:
    """Puts the codebooks, one after the other, on the clusters of vectors [n, D] (k-means)."""
    for codebook in codebooks:
        bins = codebook.entries.shape[0]
        entries = vectors[torch.randperm(len(vectors), generator=generator)[:bins]].clone()
        for _ in range(rounds):
            _put(codebook, entries, entries.new_ones(bins))
            tokens = codebook.nearest(vectors)
            usage = torch.bincount(tokens, minlength=bins).to(vectors.dtype)
            sums = torch.zeros_like(entries).index_add_(0, tokens, vectors)
            empty = usage == 0
            picks = torch.randint(len(vectors), (int(empty.sum()),), generator=generator)
            sums[empty], usage[empty] = vectors[picks], 1.0
            entries = sums / usage[:, None]
        # As if batches of the training's size had used them: the averages then go on from here.
        _put(codebook, entries, usage * (bins / usage.sum()))
        vectors = vectors - codebook.lookup(codebook.nearest(vectors))


def refresh(codebook: Codebook) -> None:
    """Brings what searching uses up to date with the stored sums."""
    usage = codebook.cluster_usage.clamp(min=LEAST_USAGE)[:, None]
    codebook.entries = codebook.embedding_sum / usage
    codebook.half_norms = codebook.entries.square().sum(dim=-1) / 2


def _put(codebook: Codebook, entries: Tensor, usage: Tensor) -> None:
    codebook.cluster_usage.copy_(usage)
    codebook.embedding_sum.copy_(entries * usage[:, None])
    refresh(codebook)


def register(quantizer: nn.Module) -> None:
    """Refreshes every codebook below a module, after its stored tensors were loaded."""
    for module in quantizer.modules():
        if isinstance(module, Codebook):
            refresh(module)
