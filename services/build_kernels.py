"""Compiles the kernels while Kaiwa is installed, where there is a C++ compiler.

Without one Kaiwa is installed all the same, and steps on a CPU take longer.
"""

import os
import platform
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

KERNELS = Path("services/kaiwa_server/kernels")

FLAGS = (
    *("-std=c++17", "-O3", "-fopenmp", "-ffp-contract=off", "-shared", "-fPIC"),
    *("-Wall", "-Wextra", "-Wno-psabi"),
)
"""OpenMP is the one that torch brings: its threads are torch's. What is fused is said in the
sources, or the bits of a row would be up to each compiler."""

X86_LEVELS = {
    "x86-64-v4-amx": (
        *("-march=x86-64-v4", "-mprefer-vector-width=512"),
        *("-mavx512bf16", "-mamx-tile", "-mamx-bf16"),
    ),
    "x86-64-v4-bf16": ("-march=x86-64-v4", "-mprefer-vector-width=512", "-mavx512bf16"),
    "x86-64-v4": ("-march=x86-64-v4", "-mprefer-vector-width=512"),
    "x86-64-v3": ("-march=x86-64-v3",),
}
"""With AMX, with AVX-512 and bf16 or without, with AVX2: where it runs decides which is taken."""


class KernelsHook(BuildHookInterface):
    """Puts the compiled kernels beside their sources, and into the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compiles, or says why not."""
        if self.target_name != "wheel":
            return
        compiler = os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++")
        if compiler is None:
            self.app.display_warning("Kaiwa's kernels are left out: there is no C++ compiler (g++)")
            return
        levels = X86_LEVELS if platform.machine() == "x86_64" else {}
        built = [self._build(compiler, name, flags) for name, flags in levels.items()]
        if any(built):
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_')}"
            build_data["artifacts"] += [f"/{KERNELS}/{name}.so" for name in levels]

    def _build(self, compiler: str, name: str, flags: tuple[str, ...]) -> bool:
        folder = Path(self.root) / KERNELS
        made, target = folder / f".{name}.{os.getpid()}.so", folder / f"{name}.so"
        command = [compiler, *FLAGS, *flags, str(folder / "kernels.cpp"), "-o", str(made)]
        run = subprocess.run(command, capture_output=True, text=True)
        if run.returncode:
            self.app.display_warning(f"Kaiwa's kernels for {name} are left out:\n{run.stderr}")
            made.unlink(missing_ok=True)
            return False
        made.replace(target)  # whoever has the old one loaded keeps it
        return True
