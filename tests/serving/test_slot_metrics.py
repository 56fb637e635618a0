from kaiwa_server.serving.slot_metrics import SlotMetrics
from prometheus_client import CollectorRegistry

MEASURED = "kaiwa_measured_step_p99_seconds"


def test_the_step_that_was_measured_at_the_start_is_told() -> None:
    registry = CollectorRegistry()
    SlotMetrics(registry).measured(0.0585)
    assert registry.get_sample_value(MEASURED) == 0.0585


def test_nothing_is_told_where_nothing_was_measured() -> None:
    registry = CollectorRegistry()
    SlotMetrics(registry)
    assert registry.get_sample_value(MEASURED) is None
