"""Prometheus metrics over HTTP, from a registry that belongs to the process's `__main__`."""

import logging
from threading import Thread
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server

log = logging.getLogger(__name__)


def serve_metrics(host: str, port: int, registry: CollectorRegistry) -> tuple[WSGIServer, Thread]:
    """Serves the registry at http://host:port/metrics on a thread of its own.

    What the process has taken of processor and memory is in it too.

    Raises:
        SystemExit: the port is taken.
    """
    ProcessCollector(registry=registry)
    try:
        served = start_http_server(port, addr=host, registry=registry)
    except OSError as error:
        raise SystemExit(
            f"cannot serve metrics on {host}:{port} ({error.strerror}): give another --metrics-port"
        ) from None
    log.info("metrics at http://%s:%d/metrics", host, served[0].server_port)
    return served
