"""Whether the machine was quiet enough to claim anything."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.machine import Machine
from bench.stats import HALVES_TOLERANCE

BUSY_LOAD_PER_CORE = 0.25
STEAL_TOLERANCE = 0.01
LEAST_CORE_SHARE = 0.97


@dataclass(frozen=True)
class CpuTimes:
    """What the kernel counted since the machine started, over all cores, in its own ticks."""

    total: int
    stolen: int

    @classmethod
    def now(cls, stat: Path = Path("/proc/stat")) -> "CpuTimes":
        """Reads the first line of /proc/stat: user nice system idle iowait irq softirq steal."""
        ticks = [int(field) for field in stat.read_text().splitlines()[0].split()[1:9]]
        return cls(sum(ticks), ticks[7])

    def steal_since(self, before: "CpuTimes") -> float:
        """The share of the time since that the machine's host gave to others."""
        return (self.stolen - before.stolen) / max(1, self.total - before.total)


def load_reasons(machine: Machine) -> list[str]:
    """Why the machine was too busy to begin with."""
    load, limit = machine.load_average[0], BUSY_LOAD_PER_CORE * machine.cores
    if load <= limit:
        return []
    return [f"the load average was {load:.2f} at the start, over {limit:.2f}"]


def steal_reasons(before: CpuTimes, after: CpuTimes) -> list[str]:
    """Why the machine was not ours alone meanwhile."""
    stolen = after.steal_since(before)
    if stolen <= STEAL_TOLERANCE:
        return []
    return [f"the host gave {stolen:.1%} of the time to others, over {STEAL_TOLERANCE:.0%}"]


def step_reasons(name: str, core_share: float, halves_difference: float) -> list[str]:
    """Why the steps of ours cannot be relied on."""
    reasons = []
    if core_share < LEAST_CORE_SHARE:
        reasons.append(f"{name} had {core_share:.0%} of its core, under {LEAST_CORE_SHARE:.0%}")
    if halves_difference > HALVES_TOLERANCE:
        reasons.append(
            f"{name}: the two halves of the run differ by {halves_difference:.0%}, "
            f"over {HALVES_TOLERANCE:.0%}"
        )
    return reasons


def verdict(met: bool | None, noise: Sequence[str]) -> str:
    """What may be said of a target."""
    if met is None:
        return ""
    if noise:
        return "not claimed"
    return "met" if met else "missed"
