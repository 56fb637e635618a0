"""The random numbers of a session's steps."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def uniforms(seed: int, step: int, count: int) -> NDArray[np.float32]:
    """The random numbers of a session's step, [count] in [0, 1): one for each stream it writes.

    They are a function of (seed, step, stream) alone, by the counter-based generator Philox
    (Salmon et al., 2011).
    """
    # The generator itself counts in the lowest of the counter's four words. Its raw numbers are
    # promised not to change from one numpy to the next; what `Generator` makes of them is not.
    raw = np.random.Philox(key=seed, counter=[0, step, 0, 0]).random_raw(count)  # 64 bits each
    return (raw >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)


def draw(seeds: Tensor, steps: Tensor, count: int) -> Tensor:
    """Those of sessions, by their seeds [B] and steps [B]: [B, count], where the seeds are."""
    if seeds.device.type == "cpu":
        pairs = zip(seeds.tolist(), steps.tolist(), strict=True)
        return torch.from_numpy(np.stack([uniforms(seed, step, count) for seed, step in pairs]))
    from kaiwa_server.models.cuda import philox  # triton comes with torch's build for CUDA

    return philox.uniforms(seeds, steps, count)
