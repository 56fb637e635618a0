"""How much memory is free where a model runs."""

from collections.abc import Iterator
from pathlib import Path

import torch

_PROC = Path("/proc")
_CGROUPS = Path("/sys/fs/cgroup")


def free_bytes(device: torch.device) -> int:
    """Gives what can still be taken: of the GPU's own memory, or of the machine's."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free
    return free_host_bytes()


def free_host_bytes(proc: Path = _PROC, cgroups: Path = _CGROUPS) -> int:
    """Gives what this process can still take of the machine's memory.

    It is what Linux says is available, or less where a control group (version 2) around the
    process, such as a container's, has less left.

    Args:
        proc: where the kernel tells of memory and processes.
        cgroups: where the control groups are mounted.
    """
    available = _field(proc / "meminfo", "MemAvailable:") * 1024  # it counts in kB
    groups = [group for group in _groups(proc, cgroups) if _is_limited(group)]
    return max(0, min((available, *map(_left_bytes, groups))))


def _groups(proc: Path, cgroups: Path) -> Iterator[Path]:
    """The control groups around the process, from its own outwards."""
    for line in (proc / "self/cgroup").read_text().splitlines():
        if line.startswith("0::/"):
            path = Path(line.removeprefix("0::/"))
            yield from (cgroups / group for group in (path, *path.parents))


def _is_limited(group: Path) -> bool:
    limit = group / "memory.max"
    return limit.exists() and limit.read_text().strip() != "max"


def _left_bytes(group: Path) -> int:
    used = int((group / "memory.current").read_text())
    # Pages of files, such as a checkpoint's, count as used and are given back when others ask.
    cached = _field(group / "memory.stat", "inactive_file")
    return int((group / "memory.max").read_text()) - (used - cached)


def _field(path: Path, name: str) -> int:
    """The number behind the name, of a file with a name and a number in each line."""
    for line in path.read_text().splitlines():
        if line.startswith(name + " "):
            return int(line.split()[1])
    raise ValueError(f"{path} has no {name}")
