"""The kernels as Python calls them: kernels.cpp in ctypes.

Pointers are addresses of float32 tensors (or what a field says) in row-major order, which have to
outlive the call; nothing here checks a shape.
"""

import ctypes
import functools
import platform
from ctypes import POINTER, c_float, c_int32, c_int64, c_void_p
from pathlib import Path
from typing import Literal

FOLDER = Path(__file__).parent

FP32, INT8, BF16 = 0, 1, 2
"""`Product.precision`."""


Bf16Layout = Literal["panels", "pairs", "tiles"]

BF16_LAYOUTS: tuple[Bf16Layout, ...] = ("panels", "pairs", "tiles")
"""By the number that the kernels have for them."""

SILU_GATE, GELU = 0, 1
"""`Stack.activation`."""


class Product(ctypes.Structure):
    """Weights, mostly [ceil(N / panel), K, panel], and what the sums are multiplied with and added
    to."""

    _fields_ = (
        ("weights", c_void_p),
        ("scales", c_void_p),  # [N] padded to panels, or null
        ("bias", c_void_p),  # [N] padded to panels, or null
        ("inputs", c_int32),
        ("outputs", c_int32),
        ("precision", c_int32),
    )


class Rows(ctypes.Structure):
    """Rows of inputs in memory; strides in floats."""

    _fields_ = (
        ("x", c_void_p),
        ("batch_stride", c_int64),
        ("stride", c_int64),
        ("batches", c_int32),
        ("count", c_int32),
    )


class Convolution(ctypes.Structure):
    """One of a row of causal convolutions: a product of windows of its inputs [T, C]."""

    _fields_ = (
        ("product", Product),
        ("channels", c_int32),
        ("kernel", c_int32),
        ("stride", c_int32),
        ("keeps", c_int32),  # what it puts out is added to what the second one after it does
    )


class Sessions(ctypes.Structure):
    """Whose inputs they are, and what each convolution remembers, [slots, kernel - stride, C]."""

    _fields_ = (
        ("slots", c_void_p),  # [batch], int64
        ("tails", POINTER(c_void_p)),
        ("batch", c_int32),
    )


class Searched(ctypes.Structure):
    """A codebook that is searched; the entries are [entries, D]."""

    _fields_ = (
        ("scores", Product),  # larger for nearer ones
        ("entries", c_void_p),
    )


class Norm(ctypes.Structure):
    """A layer norm, or without a bias a root-mean-square norm; [D] both."""

    _fields_ = (("weight", c_void_p), ("bias", c_void_p))


class Layer(ctypes.Structure):
    """The weights of one layer; its layer scales are a part of the scales of `out` and `down`."""

    _fields_ = (
        ("norm1", Norm),
        ("norm2", Norm),
        ("into", Product),
        ("out", Product),
        ("up", Product),
        ("down", Product),
    )


class Stack(ctypes.Structure):
    """Layers of one shape."""

    _fields_ = (
        ("layers", POINTER(Layer)),
        ("count", c_int32),
        ("dim", c_int32),
        ("heads", c_int32),
        ("hidden", c_int32),
        ("context", c_int32),
        ("activation", c_int32),
        ("eps", c_float),
    )


class Rings(ctypes.Structure):
    """Keys and values of all layers, [layers, 2, slots, heads, context, head_dim]."""

    _fields_ = (
        ("memory", c_void_p),
        ("slots", c_int64),
        ("narrow", c_int32),  # in bf16
    )


class Codebook(ctypes.Structure):
    """What the depformer has for one codebook; the embedding is [tokens, D]."""

    _fields_ = (
        ("into", Product),
        ("head", Product),
        ("embedding", c_void_p),
        ("stack", Stack),
    )


class Draws(ctypes.Structure):
    """How each row of logits is drawn from."""

    _fields_ = (
        ("temperatures", c_void_p),  # [rows]
        ("top_k", c_void_p),  # [rows], int64
        ("uniforms", c_void_p),  # [rows]
        ("apart", c_int64),  # from one uniform to the next
    )


@functools.cache
def available() -> bool:
    """Whether the kernels were built for this processor."""
    return bool(_built())


@functools.cache
def kernels() -> ctypes.CDLL:
    """The kernels; only where they are available."""
    for path in _built():
        library = _declared(ctypes.CDLL(str(path)))
        if library.kaiwa_runs():
            return library
    raise FileNotFoundError("Kaiwa's kernels were not built for this processor")


def _built() -> list[Path]:
    """What was built that this processor can run, the fastest first."""
    paths = (FOLDER / f"{name}.so" for name in _names())
    return [path for path in paths if path.exists()]


@functools.cache
def panel() -> int:
    """How many outputs lie together in the weights."""
    return int(kernels().kaiwa_panel())


@functools.cache
def bf16_layout() -> Bf16Layout:
    """How weights in bf16 lie: as all do, for products of two inputs, for matrix units."""
    return BF16_LAYOUTS[int(kernels().kaiwa_bf16_layout())]


def _names() -> list[str]:
    """The builds for this processor and lesser ones."""
    if platform.machine() != "x86_64":
        return []
    flags = _flags()
    avx512 = {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}
    levels = {
        "x86-64-v4-amx": {*avx512, "avx512_bf16", "amx_tile", "amx_bf16"},
        "x86-64-v4-bf16": {*avx512, "avx512_bf16"},
        "x86-64-v4": avx512,
        "x86-64-v3": {"avx2", "fma", "bmi2", "f16c"},
    }
    return [level for level, needed in levels.items() if needed <= flags]


def _flags() -> set[str]:
    """What Linux says that the processor has."""
    cpuinfo = Path("/proc/cpuinfo")
    for line in cpuinfo.read_text().splitlines() if cpuinfo.exists() else ():
        if line.startswith("flags"):
            return set(line.partition(":")[2].split())
    return set()


def _declared(library: ctypes.CDLL) -> ctypes.CDLL:
    library.kaiwa_multiply.argtypes = (
        POINTER(Product),
        POINTER(Rows),
        c_void_p,  # y [batches, count, N]
        c_int32,  # threads
    )
    library.kaiwa_convolve.argtypes = (
        POINTER(Convolution),
        c_int32,  # how many
        POINTER(Sessions),
        c_void_p,  # x [batch, T, C]
        c_int64,  # T
        c_void_p,  # y [batch, T', C']
        c_int32,  # threads
    )
    library.kaiwa_search.argtypes = (
        POINTER(Searched),
        c_int32,  # how many
        c_void_p,  # what is searched for, and then what is left over: [rows, D]
        c_int32,
        c_void_p,  # tokens [rows, how many], int64
        c_int32,  # threads
    )
    library.kaiwa_layers.argtypes = (
        POINTER(Stack),
        POINTER(Rings),
        c_void_p,  # x [batch, each, D], in place
        c_int32,
        c_int32,
        c_void_p,  # slots [batch], int64
        c_void_p,  # positions [batch, each], int64
        c_void_p,  # turns [batch, each, head_dim / 2], complex
        c_int32,  # threads
    )
    library.kaiwa_codebook.argtypes = (
        POINTER(Codebook),
        POINTER(Rings),
        c_void_p,  # hidden [rows, K]
        c_int32,
        c_void_p,  # tokens [rows], int64
        c_int64,
        c_void_p,  # logits [rows, N]
        c_int32,  # threads
    )
    library.kaiwa_draw.argtypes = (
        POINTER(Draws),
        c_void_p,  # logits [rows, V]
        c_int32,
        c_int64,
        c_void_p,  # tokens [rows], int64
    )
    for name in ("panel", "runs", "bf16_layout"):
        getattr(library, f"kaiwa_{name}").restype = c_int32
    for name in ("multiply", "convolve", "search", "layers", "codebook", "draw"):
        getattr(library, f"kaiwa_{name}").restype = None
    return library
