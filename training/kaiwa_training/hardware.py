"""What the machine can do, and how the C library gives memory back."""

import ctypes
import sys
from pathlib import Path

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # malloc.h of the GNU C library
BF16_FLAGS = frozenset(("avx512_bf16", "amx_bf16"))


def has_bf16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the processor multiplies bf16; one that does not is ten times slower with it."""
    return cpuinfo.exists() and not BF16_FLAGS.isdisjoint(cpuinfo.read_text().split())


def keep_freed_memory() -> None:
    """Has freed memory kept for the next tensors rather than given back to the system.

    A training allocates and frees the same hundreds of megabytes in each step; getting them from
    the system page by page took a third of a step's time.
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
