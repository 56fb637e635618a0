"""What the figures were taken on."""

import os
import platform
import re
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch

FLAGS = re.compile(r"\b(avx2|avx512f|avx512_vnni|avx512_bf16|avx_vnni|amx_\w+)\b")
PACKAGES = ("kaiwa", "torch", "numpy", "moshi", "rustymimi", "grpcio")


@dataclass(frozen=True)
class Machine:
    """Hardware, versions, commit, and how busy it was before anything was run."""

    at: str
    cpu: str
    flags: tuple[str, ...]
    cores: int
    core: int
    caches: dict[str, str]
    memory_gb: float
    torch_capability: str
    versions: dict[str, str]
    commit: str
    load_average: tuple[float, float, float]


def describe(core: int) -> Machine:
    """Looks at the machine, before the first step."""
    cpu_info = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", cpu_info)
    flags = re.search(r"flags\s*: (.*)", cpu_info)
    pages, page_bytes = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return Machine(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        cpu=model[1] if model else platform.processor(),
        flags=tuple(sorted(set(FLAGS.findall(flags[1])))) if flags else (),
        cores=len(os.sched_getaffinity(0)),
        core=core,
        caches=_caches(core),
        memory_gb=round(pages * page_bytes / 1e9, 1),
        torch_capability=torch.backends.cpu.get_cpu_capability(),
        versions={"python": platform.python_version()} | {name: version(name) for name in PACKAGES},
        commit=_commit(),
        load_average=os.getloadavg(),
    )


def _caches(core: int) -> dict[str, str]:
    """What the core's caches hold, by name: L1d, L2, L3."""
    caches = {}
    for cache in sorted(Path(f"/sys/devices/system/cpu/cpu{core}/cache").glob("index*")):
        kind, level = ((cache / name).read_text().strip() for name in ("type", "level"))
        if kind != "Instruction":
            name = f"L{level}" + ("d" if kind == "Data" else "")
            caches[name] = (cache / "size").read_text().strip()
    return caches


def _commit() -> str:
    """The commit, with a plus sign when what is measured differs from it."""
    try:
        commit = _git("rev-parse", "--short", "HEAD")
        changed = _git("status", "--porcelain", "--", "services", "clients/python", "tests/bench")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit + ("+" if changed else "")


def _git(*arguments: str) -> str:
    ran = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True)
    return ran.stdout.strip()
