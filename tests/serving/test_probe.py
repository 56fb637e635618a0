"""The health probe, against a real health service."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from kaiwa_server.serving.probe import probe


@pytest.fixture
def address() -> Iterator[str]:
    """Where a service listens that is alive and not yet ready."""
    with ThreadPoolExecutor(max_workers=1) as threads:
        server = grpc.server(threads)
        servicer = health.HealthServicer()
        servicer.set("live", health_pb2.HealthCheckResponse.SERVING)
        servicer.set("ready", health_pb2.HealthCheckResponse.NOT_SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield f"127.0.0.1:{port}"
        server.stop(0).wait()


def test_a_service_that_serves_passes(address: str) -> None:
    probe(address, "live")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("ready", "is NOT_SERVING under the name ready"), ("unknown", "cannot be asked")],
)
def test_a_service_that_does_not_serve_fails_with_a_sentence(
    address: str, name: str, sentence: str
) -> None:
    with pytest.raises(SystemExit, match=sentence):
        probe(address, name)


def test_a_port_that_nobody_listens_on_fails_with_a_sentence() -> None:
    with pytest.raises(SystemExit, match=r"127\.0\.0\.1:1 cannot be asked"):
        probe("127.0.0.1:1", "ready")
