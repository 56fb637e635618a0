"""The random numbers of steps, made where the step runs: equal bit for bit to numpy's Philox."""

import torch
import triton
import triton.language as tl
from torch import Tensor


def uniforms(seeds: Tensor, steps: Tensor, count: int) -> Tensor:
    """Those of sessions [B] in their steps [B], [B, count] in [0, 1): see `lm.stepper.uniforms`.

    The generator is Philox with four words of 64 bits and ten rounds (Salmon et al., 2011).
    """
    out = torch.empty((len(seeds), count), device=seeds.device, dtype=torch.float32)
    blocks = triton.next_power_of_2(triton.cdiv(count, 4))
    _uniforms[(len(seeds),)](seeds, steps, out, count, BLOCKS=blocks)
    return out


@triton.jit
def _uniforms(seeds, steps, out, count, BLOCKS: tl.constexpr):
    row, block = tl.program_id(0), tl.arange(0, BLOCKS)
    zero = tl.zeros((BLOCKS,), tl.uint64)
    key0 = zero + tl.load(seeds + row).to(tl.uint64)
    key1 = zero
    # numpy counts on before it draws.
    word0 = block.to(tl.uint64) + 1
    word1 = zero + tl.load(steps + row).to(tl.uint64)
    word2, word3 = zero, zero
    for _ in tl.static_range(10):
        high0, low0 = tl.umulhi(word0, zero + 0xD2E7470EE14C6C93), word0 * 0xD2E7470EE14C6C93
        high2, low2 = tl.umulhi(word2, zero + 0xCA5A826395121157), word2 * 0xCA5A826395121157
        word0, word1 = high2 ^ word1 ^ key0, low2
        word2, word3 = high0 ^ word3 ^ key1, low0
        key0 += 0x9E3779B97F4A7C15
        key1 += 0xBB67AE8584CAA73B
    _keep(out, row, count, 4 * block, word0)
    _keep(out, row, count, 4 * block + 1, word1)
    _keep(out, row, count, 4 * block + 2, word2)
    _keep(out, row, count, 4 * block + 3, word3)


@triton.jit
def _keep(out, row, count, number, word):
    """Of a word the highest 24 bits."""
    uniform = (word >> 40).to(tl.float32) * (1.0 / 16777216.0)
    tl.store(out + row * count + number, uniform, number < count)
