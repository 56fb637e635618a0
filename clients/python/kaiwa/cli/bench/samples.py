"""What a process says of itself, at one moment: of a service its metrics, and of this one."""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from prometheus_client import Metric, ProcessCollector
from prometheus_client.parser import text_string_to_metric_families

from kaiwa.cli.bench.steps import Steps

CPU_S = "process_cpu_seconds_total"
RESIDENT_BYTES = "process_resident_memory_bytes"
BORN_S = "process_start_time_seconds"
STEP_BUCKET = "kaiwa_step_seconds_bucket"
OF_A_GATEWAY = "kaiwa_max_sessions"
SERVICE_OF_LOOP = {"lm": "lm", "encoder": "codec"}


@dataclass(frozen=True, slots=True)
class Sample:
    """A process at one moment; None is what it does not say."""

    at_s: float
    service: str | None
    """What it is, judged by the metrics that it has."""
    cpu_s: float | None
    resident_bytes: float | None
    born_s: float | None
    steps: Mapping[str, Steps]
    """Of each loop, all since it began."""


def read_sample(text: str, at_s: float) -> Sample:
    """Gives what the text of a metrics endpoint says.

    Raises:
        ValueError: it is not the text of Prometheus.
    """
    return _sample(text_string_to_metric_families(text), at_s)


def own_sample() -> Sample:
    """Gives what this process has taken until now."""
    return _sample(ProcessCollector(registry=None).collect(), time.monotonic())


def _sample(families: Iterable[Metric], at_s: float) -> Sample:
    values: dict[str, float] = {}
    counts: defaultdict[str, dict[float, float]] = defaultdict(dict)
    for family in families:
        for sample in family.samples:
            values[sample.name] = sample.value
            if sample.name == STEP_BUCKET:
                counts[sample.labels["loop"]][float(sample.labels["le"])] = sample.value
    services = [SERVICE_OF_LOOP[loop] for loop in counts if loop in SERVICE_OF_LOOP]
    if OF_A_GATEWAY in values:
        services.append("gateway")
    return Sample(
        at_s=at_s,
        service=services[0] if services else None,
        cpu_s=values.get(CPU_S),
        resident_bytes=values.get(RESIDENT_BYTES),
        born_s=values.get(BORN_S),
        steps={loop: Steps(buckets) for loop, buckets in counts.items()},
    )
