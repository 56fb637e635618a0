"""Whether the ports are free, before anything is started on them."""

import socket
from collections.abc import Iterable
from contextlib import ExitStack

from kaiwa_server.stack.config import StackConfig


class PortTaken(Exception):
    """Somebody listens on a port that is needed; the text says which flag gives another."""


def require_free(config: StackConfig) -> None:
    """Returns if all the ports are free.

    A service that came up on a taken port would fail by itself, but meanwhile whoever has the port
    could be taken for it.

    Raises:
        PortTaken: one is not.
    """
    with ExitStack() as held:
        for flag, host, port in _wanted(config):
            address = host.strip("[]")
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            try:
                held.enter_context(socket.create_server((address, port), family=family))
            except OSError as error:
                raise PortTaken(
                    f"cannot listen on {host}:{port} ({error.strerror}): is another kaiwa-serve "
                    f"running? {flag} gives another port"
                ) from None


def _wanted(config: StackConfig) -> Iterable[tuple[str, str, int]]:
    yield "--gateway-port", config.host, config.gateway_port
    yield "--http-port", config.host, config.http_port
    yield "--codec-port", "127.0.0.1", config.codec_port
    yield "--lm-port", "127.0.0.1", config.lm_port
    for port in config.metrics_ports:
        yield "--metrics-ports", "127.0.0.1", port
