"""How many sessions were asked for, and what they were answered."""

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter

from kaiwa_server.errors import KaiwaError


class Admissions:
    """Counts admissions: `with admission("Generate"): ...` counts how the block ends."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._count = Counter(
            "kaiwa_admissions",
            "Calls that asked for a session, by what they were answered: ACCEPTED or the reason.",
            ("call", "result"),
            registry=registry,
        )

    @contextmanager
    def __call__(self, call: str) -> Iterator[None]:
        """Counts how the admission of a call to the method `call`, the block, ends."""
        try:
            yield
        except KaiwaError as error:
            self._count.labels(call, error.reason).inc()
            raise
        self._count.labels(call, "ACCEPTED").inc()
