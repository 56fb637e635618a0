import json
import logging
import socket
import urllib.request
from collections.abc import Iterator

import pytest
from kaiwa_server.serving.logs import configure_logs
from kaiwa_server.serving.metrics import serve_metrics
from prometheus_client import CollectorRegistry, Counter


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_json_logs_are_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info", "json")
    logging.getLogger("kaiwa").info("a call of %d ms", 80)
    line = json.loads(capsys.readouterr().err)
    assert (line["levelname"], line["message"]) == ("INFO", "a call of 80 ms")


def test_messages_below_the_level_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("warning", "text")
    logging.getLogger("kaiwa").info("quiet")
    logging.getLogger("kaiwa").warning("loud")
    text = capsys.readouterr().err
    assert "loud" in text and "quiet" not in text


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_metrics_are_served_over_http_with_those_of_the_process() -> None:
    registry = CollectorRegistry()
    Counter("kaiwa_cups", "Cups of tea.", registry=registry).inc()
    port = free_port()
    server, thread = serve_metrics("127.0.0.1", port, registry)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        text = answer.read()
    assert b"kaiwa_cups_total 1.0" in text
    assert b"\nprocess_cpu_seconds_total " in text and b"\nprocess_resident_memory_bytes " in text
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_taken_metrics_port_is_named_with_what_to_do() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        with pytest.raises(SystemExit, match="give another --metrics-port"):
            serve_metrics("127.0.0.1", holder.getsockname()[1], CollectorRegistry())
