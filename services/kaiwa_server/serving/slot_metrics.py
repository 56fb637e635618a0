"""What Prometheus is told about slots, steps and admissions."""

from collections.abc import Callable
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from kaiwa_server.serving.admissions import Admissions

# A frame is 80 ms: the buckets are close together below it, where a service wants to be.
_STEP_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.12, 0.2)
_BATCH_BUCKETS_SLOTS = (1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128)


class Slots(Protocol):
    """Something with slots: a step loop."""

    @property
    def slots(self) -> int:
        """How many there are."""

    @property
    def slots_used(self) -> int:
        """How many are held."""


class StepStats(Protocol):
    """How one step went."""

    @property
    def batch(self) -> int:
        """How many slots were in it."""

    @property
    def seconds(self) -> float:
        """How long the model took."""


class SlotMetrics:
    """The metrics of a service with step loops; the label `loop` names the loop."""

    def __init__(self, registry: CollectorRegistry) -> None:
        loop = ("loop",)
        self._slots = Gauge("kaiwa_slots", "Sessions that fit at once.", loop, registry=registry)
        self._used = Gauge("kaiwa_slots_used", "Slots that are held now.", loop, registry=registry)
        self._seconds = Histogram(
            "kaiwa_step_seconds",
            "How long the model took for one step of all ready slots.",
            loop,
            buckets=_STEP_BUCKETS_S,
            registry=registry,
        )
        self._batch = Histogram(
            "kaiwa_step_slots",
            "How many slots were in one step.",
            loop,
            buckets=_BATCH_BUCKETS_SLOTS,
            registry=registry,
        )
        self._frames = Counter(
            "kaiwa_frames", "Frames stepped, over all slots.", loop, registry=registry
        )
        self.admission = Admissions(registry)
        self._registry = registry

    def on_step(self, loop: str) -> Callable[[StepStats], None]:
        """Gives what a step loop is to call after each step."""
        seconds = self._seconds.labels(loop)
        batch = self._batch.labels(loop)
        frames = self._frames.labels(loop)

        def observe(stats: StepStats) -> None:
            seconds.observe(stats.seconds)
            batch.observe(stats.batch)
            frames.inc(stats.batch)

        return observe

    def measured(self, p99_s: float) -> None:
        """Reports how long a step of all the slots took when they were measured at the start."""
        Gauge(
            "kaiwa_measured_step_p99_seconds",
            "99th percentile of a step of all the slots with full contexts, measured at the start.",
            registry=self._registry,
        ).set(p99_s)

    def watch(self, loop: str, slots: Slots) -> None:
        """Reports a loop's slots from here on."""
        self._slots.labels(loop).set(slots.slots)
        self._used.labels(loop).set_function(lambda: slots.slots_used)
