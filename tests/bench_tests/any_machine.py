"""A machine that exists only in tests."""

from bench.machine import Machine


def machine(load: float) -> Machine:
    """Two cores, this busy at the start."""
    return Machine(
        at="2026-01-01T00:00:00+00:00",
        cpu="any",
        flags=(),
        cores=2,
        core=1,
        caches={},
        memory_gb=1.0,
        torch_capability="AVX2",
        versions={},
        commit="abc",
        load_average=(load, 0.0, 0.0),
    )
