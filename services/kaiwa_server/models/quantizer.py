"""Split residual vector quantization: a latent as one token in each codebook, and back."""

from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kaiwa_server.models.kernel_search import KernelSearch
from kaiwa_server.models.products import KernelProduct

LEAST_USAGE = 1e-5


@dataclass(frozen=True)
class QuantizerConfig:
    """The shape of the quantizer: `n_q` codebooks of `bins` entries [dimension] are stored."""

    latent_dimension: int = 512
    dimension: int = 256
    n_q: int = 32
    bins: int = 2048


class Codebook(nn.Module):
    """A table of entries, stored as training left it: sums and how often each entry was used."""

    embedding_sum: Tensor
    cluster_usage: Tensor
    entries: Tensor
    half_norms: Tensor

    def __init__(self, bins: int, dimension: int) -> None:
        super().__init__()
        self.register_buffer("_initialized", torch.ones(1))  # in every checkpoint; says nothing
        self.register_buffer("cluster_usage", torch.ones(bins))
        self.register_buffer("embedding_sum", torch.zeros(bins, dimension))
        self.register_buffer("entries", torch.zeros(bins, dimension), persistent=False)
        self.register_buffer("half_norms", torch.zeros(bins), persistent=False)

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        # Once, since an encode would spend longer on dividing than on searching.
        self.entries = self.embedding_sum / self.cluster_usage.clamp(min=LEAST_USAGE)[:, None]
        self.half_norms = self.entries.square().sum(dim=-1) / 2

    def nearest(self, x: Tensor) -> Tensor:
        """The tokens [B, T] of the entries nearest to x [B, T, D]."""
        # |x - e|^2 = |x|^2 - 2 (x . e - |e|^2 / 2), and |x|^2 is the same for every entry.
        return (x @ self.entries.T - self.half_norms).argmax(dim=-1)

    def lookup(self, tokens: Tensor) -> Tensor:
        """The entries [B, T, D] of tokens [B, T]."""
        return F.embedding(tokens, self.entries)


class Projection(nn.Conv1d):
    """A product for each position; checkpoints store it as a convolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 1, bias=False)
        self._product: nn.Module | None = None

    def forward(self, x: Tensor) -> Tensor:
        """x [B, C, T] -> [B, C', T]."""
        if self._product is None:
            return super().forward(x)
        product: Tensor = self._product(x.transpose(1, 2))
        return product.transpose(1, 2)

    def use_kernels(self) -> None:
        """Goes over to the kernels, in fp32."""
        self._product = KernelProduct(self.weight[:, :, 0], None)


class ResidualQuantizer(nn.Module):
    """Codebooks in a row, each for what the ones before it left over."""

    def __init__(self, config: QuantizerConfig, codebooks: int) -> None:
        super().__init__()
        self.input_proj = Projection(config.latent_dimension, config.dimension)
        self.output_proj = Projection(config.dimension, config.latent_dimension)
        self.codebooks = [Codebook(config.bins, config.dimension) for _ in range(codebooks)]
        # A list is no module: these names, the checkpoints', are the ones that count.
        layers = [nn.ModuleDict({"_codebook": codebook}) for codebook in self.codebooks]
        self.vq = nn.ModuleDict({"layers": nn.ModuleList(layers)})
        self._search: KernelSearch | None = None

    def use_kernels(self, codebooks: int) -> None:
        """Goes over to the kernels for the first K = `codebooks`."""
        self.input_proj.use_kernels()
        self.output_proj.use_kernels()
        searched = self.codebooks[:codebooks]
        self._search = KernelSearch(
            [codebook.entries for codebook in searched],
            [codebook.half_norms for codebook in searched],
        )

    def encode(self, latent: Tensor, codebooks: int) -> Tensor:
        """latent [B, C, T] -> codes [B, K, T] of the first K = `codebooks`."""
        rest = self.input_proj(latent).transpose(1, 2)  # [B, T, D]
        if self._search is not None and codebooks <= len(self._search):
            return self._search(rest, codebooks).transpose(1, 2)
        codes = []
        for codebook in islice(self.codebooks, codebooks):
            tokens = codebook.nearest(rest)
            rest = rest - codebook.lookup(tokens)
            codes.append(tokens)
        return torch.stack(codes, dim=1)

    def decode(self, codes: Tensor) -> Tensor:
        """codes [B, K, T] of the first K codebooks -> latent [B, C, T]."""
        used = zip(self.codebooks, codes.unbind(dim=1), strict=False)
        entries = torch.stack([codebook.lookup(tokens) for codebook, tokens in used])
        latent: Tensor = self.output_proj(entries.sum(dim=0).transpose(1, 2))
        return latent


class SplitQuantizer(nn.Module):
    """One semantic codebook beside a row of acoustic ones; both halves read the same latent."""

    def __init__(self, config: QuantizerConfig) -> None:
        super().__init__()
        self.rvq_first = ResidualQuantizer(config, 1)
        self.rvq_rest = ResidualQuantizer(config, config.n_q - 1)

    def use_kernels(self, codebooks: int) -> None:
        """Goes over to the kernels for the first K = `codebooks`, in fp32."""
        self.rvq_first.use_kernels(1)
        self.rvq_rest.use_kernels(codebooks - 1)

    def encode(self, latent: Tensor, codebooks: int) -> Tensor:
        """latent [B, C, T] -> codes [B, K, T] of the first K = `codebooks`, semantic first."""
        semantic = self.rvq_first.encode(latent, 1)
        acoustic = self.rvq_rest.encode(latent, codebooks - 1)
        return torch.cat((semantic, acoustic), dim=1)

    def decode(self, codes: Tensor) -> Tensor:
        """codes [B, K, T], semantic first -> latent [B, C, T]."""
        latent: Tensor = self.rvq_first.decode(codes[:, :1]) + self.rvq_rest.decode(codes[:, 1:])
        return latent
