"""What a process took while the load lasted."""

from collections.abc import Sequence
from dataclasses import dataclass

from kaiwa.cli.bench.endpoint import Endpoint
from kaiwa.cli.bench.samples import Sample


@dataclass(frozen=True, slots=True)
class LoopUsage:
    """The steps of one loop; the quantiles are as exact as the histogram's buckets."""

    name: str
    steps: int
    step_p50_ms: float | None
    step_p99_ms: float | None


@dataclass(frozen=True, slots=True)
class Usage:
    """Of one process; what could not be had is None."""

    cpu_percent: float | None
    """Of one core."""
    resident_begin_bytes: float | None
    resident_end_bytes: float | None


@dataclass(frozen=True, slots=True)
class ServiceUsage(Usage):
    """The same of a service, with its loops."""

    name: str
    address: str
    loops: tuple[LoopUsage, ...]


def usage_of(before: Sample, after: Sample | None) -> Usage:
    """Gives what a process took between two samples; without the second one, hardly anything."""
    if after is None:
        return Usage(None, before.resident_bytes, None)
    cpu_percent = None
    if before.cpu_s is not None and after.cpu_s is not None:
        cpu_percent = 100 * (after.cpu_s - before.cpu_s) / (after.at_s - before.at_s)
    return Usage(cpu_percent, before.resident_bytes, after.resident_bytes)


def services_of(
    endpoints: Sequence[Endpoint], before: Sequence[Sample], after: Sequence[Sample | None]
) -> tuple[ServiceUsage, ...]:
    """Gives what each service took; one that began anew in between is as one that is gone."""
    names = _names(endpoints, before)
    usages = []
    for endpoint, name, first, last in zip(endpoints, names, before, after, strict=True):
        if last is not None and last.born_s != first.born_s:
            last = None
        usage = usage_of(first, last)
        usages.append(
            ServiceUsage(
                cpu_percent=usage.cpu_percent,
                resident_begin_bytes=usage.resident_begin_bytes,
                resident_end_bytes=usage.resident_end_bytes,
                name=name,
                address=endpoint.address,
                loops=_loops(first, last) if last is not None else (),
            )
        )
    return tuple(usages)


def _names(endpoints: Sequence[Endpoint], samples: Sequence[Sample]) -> list[str]:
    """A name that was not given is what the service is; replicas have their address in it."""
    found = [
        endpoint.name or sample.service or endpoint.address
        for endpoint, sample in zip(endpoints, samples, strict=True)
    ]
    return [
        name if found.count(name) == 1 else f"{name} {endpoint.address}"
        for name, endpoint in zip(found, endpoints, strict=True)
    ]


def _loops(before: Sample, after: Sample) -> tuple[LoopUsage, ...]:
    loops = []
    for name, steps in after.steps.items():
        taken = steps.since(before.steps[name]) if name in before.steps else steps
        p50_ms, p99_ms = taken.quantile_ms(0.5), taken.quantile_ms(0.99)
        loops.append(LoopUsage(name, taken.total, p50_ms, p99_ms))
    return tuple(loops)
