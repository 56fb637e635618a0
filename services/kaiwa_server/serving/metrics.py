"""Prometheus metrics over HTTP, from a registry that belongs to the process's `__main__`."""

import logging

from prometheus_client import CollectorRegistry, start_http_server

log = logging.getLogger(__name__)


def serve_metrics(host: str, port: int, registry: CollectorRegistry) -> None:
    """Serves the registry at http://host:port/metrics on a thread of its own; port 0 is off.

    Raises:
        SystemExit: the port is taken.
    """
    if port == 0:
        return
    try:
        start_http_server(port, addr=host, registry=registry)
    except OSError as error:
        raise SystemExit(
            f"cannot serve metrics on {host}:{port} ({error.strerror}): "
            "give another --metrics-port, or 0 for none"
        ) from None
    log.info("metrics at http://%s:%d/metrics", host, port)
