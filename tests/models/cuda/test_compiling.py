"""The kernels compile for GPUs, which takes none."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.soak

PROGRAM = """
import triton
from kaiwa_server.models.cuda import attention, codebooks, elementwise, philox
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

MOSHI = {"SLOTS": 81, "HEADS": 32, "COUNT": 1, "PLACES": 3000, "HEAD_DIM": 128, "WIDTH": 128}
CODEBOOKS = {"HEADS": 16, "CODEBOOKS": 8, "HEAD_DIM": 64, "PLACES": 8, "WIDTH": 64}
NORM = {"DIM": 4096, "WIDTH": 4096, "ADDS": True, "SCALES": True, "CENTRES": True}
POINTERS = {"slots": "*i64", "positions": "*i64", "seeds": "*i64", "steps": "*i64"}
POINTERS |= {"turns": "*fp32", "scales": "*fp32", "parts": "*fp32", "ring": "*bf16"}
NUMBERS = {"eps": "fp32", "sharpness": "fp32", "batch": "i32", "codebook": "i32", "count": "i32"}


def build(kernel, architecture, shape, **kinds):
    known = POINTERS | NUMBERS | kinds
    signature = {
        name: "constexpr" if name in shape else known.get(name, "*bf16")
        for name in kernel.arg_names
    }
    constants = {(kernel.arg_names.index(name),): value for name, value in shape.items()}
    source = ASTSource(kernel, signature, constexprs=constants)
    assert triton.compile(source, target=GPUTarget("cuda", architecture, 32)).asm["cubin"]


for architecture in (80, 90):
    for eight_bits, ring in ((False, "*bf16"), (True, "*i8")):
        shape = MOSHI | {"EIGHT_BITS": eight_bits}
        build(attention._store, architecture, shape | {"HALF": 64}, ring=ring)
        build(attention._attend, architecture, shape | {"PIECES": 8, "BLOCK": 64}, ring=ring)
    joins = {"HEADS": 32, "PIECES": 8, "HEAD_DIM": 128, "WIDTH": 128}
    build(attention._join, architecture, joins)
    build(codebooks._attend_codebook, architecture, CODEBOOKS)
    build(elementwise._add_and_norm, architecture, NORM)
    build(elementwise._gate, architecture, {"HIDDEN": 11264, "WIDTH": 1024})
    build(philox._uniforms, architecture, {"BLOCKS": 4}, out="*fp32")
print("built")
"""


def test_they_compile_for_an_a100_and_an_h100() -> None:
    environment = {name: v for name, v in os.environ.items() if name != "TRITON_INTERPRET"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=environment
    )
    assert done.stdout == "built\n", done.stderr
