"""The search of a row of codebooks as one call of the kernels."""

from collections.abc import Sequence

import torch
from torch import Tensor

from kaiwa_server.kernels import library
from kaiwa_server.kernels.library import kernels
from kaiwa_server.models.products import KernelProduct


class KernelSearch:
    """Codebooks in a row, each for what the ones before it left over; in fp32.

    Args:
        entries: each codebook's, [entries, D].
        half_norms: half the squared norm of each of them.
    """

    def __init__(self, entries: Sequence[Tensor], half_norms: Sequence[Tensor]) -> None:
        # |x - e|^2 = |x|^2 - 2 (x . e - |e|^2 / 2), and |x|^2 is the same for every entry.
        scores = [KernelProduct(e, -norms) for e, norms in zip(entries, half_norms, strict=True)]
        tables = [table.float().contiguous() for table in entries]
        self._alive = scores, tables
        self._codebooks = (library.Searched * len(entries))(
            *[
                library.Searched(product.struct, table.data_ptr())
                for product, table in zip(scores, tables, strict=True)
            ]
        )

    def __len__(self) -> int:
        """How many codebooks it can search."""
        return len(self._codebooks)

    def __call__(self, x: Tensor, codebooks: int) -> Tensor:
        """The tokens [..., K] of x [..., D] in the first K = `codebooks`."""
        rest = x.clone(memory_format=torch.contiguous_format)
        tokens = torch.empty(*x.shape[:-1], codebooks, dtype=torch.int64)
        kernels().kaiwa_search(
            self._codebooks,
            codebooks,
            rest.data_ptr(),
            rest.numel() // rest.shape[-1],
            tokens.data_ptr(),
            torch.get_num_threads(),
        )
        return tokens
