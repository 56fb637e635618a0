"""How much memory is free, on machines that the tests write down."""

from pathlib import Path

import pytest
import torch
from kaiwa_server.models.memory import free_bytes, free_host_bytes

MIB = 2**20


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A machine with 800 MiB available, whose process is in the control group /pods/lm."""
    folder = tmp_path / "proc"
    (folder / "self").mkdir(parents=True)
    (folder / "meminfo").write_text("MemTotal:  2048000 kB\nMemAvailable:  819200 kB\n")
    (folder / "self/cgroup").write_text("4:memory:/older\n0::/pods/lm\n")
    return folder


@pytest.fixture
def cgroups(tmp_path: Path) -> Path:
    folder = tmp_path / "cgroup"
    (folder / "pods/lm").mkdir(parents=True)
    return folder


def limit(group: Path, limit: str, used_mib: int, cached_mib: int = 0) -> None:
    (group / "memory.max").write_text(f"{limit}\n")
    (group / "memory.current").write_text(f"{used_mib * MIB}\n")
    (group / "memory.stat").write_text(f"anon 7\ninactive_file {cached_mib * MIB}\n")


def test_without_control_groups_it_is_what_the_machine_has_available(proc: Path) -> None:
    assert free_host_bytes(proc, cgroups=proc / "none") == 800 * MIB


def test_a_control_group_without_a_limit_leaves_all_that_the_machine_has(
    proc: Path, cgroups: Path
) -> None:
    limit(cgroups / "pods/lm", "max", used_mib=300)
    assert free_host_bytes(proc, cgroups) == 800 * MIB


def test_a_container_has_what_is_left_of_its_limit(proc: Path, cgroups: Path) -> None:
    limit(cgroups / "pods/lm", str(512 * MIB), used_mib=200)
    assert free_host_bytes(proc, cgroups) == 312 * MIB


def test_a_file_that_was_read_takes_nothing_of_the_limit(proc: Path, cgroups: Path) -> None:
    limit(cgroups / "pods/lm", str(512 * MIB), used_mib=500, cached_mib=300)
    assert free_host_bytes(proc, cgroups) == 312 * MIB


def test_the_narrowest_group_around_the_process_counts(proc: Path, cgroups: Path) -> None:
    limit(cgroups / "pods/lm", str(512 * MIB), used_mib=12)
    limit(cgroups / "pods", str(600 * MIB), used_mib=500)
    limit(cgroups, str(900 * MIB), used_mib=100)
    assert free_host_bytes(proc, cgroups) == 100 * MIB


def test_a_container_that_sees_itself_as_the_root_has_what_is_left_of_the_root(
    proc: Path, cgroups: Path
) -> None:
    (proc / "self/cgroup").write_text("0::/\n")
    limit(cgroups, str(512 * MIB), used_mib=512)
    assert free_host_bytes(proc, cgroups) == 0


def test_a_cpu_has_the_memory_of_this_machine() -> None:
    assert free_bytes(torch.device("cpu")) > 0
