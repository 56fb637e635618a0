"""How the C library gives memory back."""

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # malloc.h of the GNU C library


def keep_freed_memory() -> None:
    """Has freed memory kept for the next tensors rather than given back to the system.

    A training allocates and frees the same hundreds of megabytes in each step; getting them from
    the system page by page took a third of a step's time.
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
