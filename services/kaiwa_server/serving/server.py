"""A gRPC server's life: start, serve, drain.

It answers health checks from its first moment, under the names `live` (the process runs), `ready`
and the empty name (it takes new sessions). Until it is ready, and once it has drained, every other
call is answered UNAVAILABLE at once.
"""

import asyncio
import gc
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import grpc
from google.protobuf.internal import api_implementation
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from kaiwa_server.errors import Draining, KaiwaError, NotReady
from kaiwa_server.serving.config import ServiceConfig
from kaiwa_server.serving.interceptors import ErrorInterceptor, GateInterceptor

MAX_MESSAGE_BYTES = 65_536
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)

_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.so_reuseport", 0),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # A new connection now and then lets clients find new replicas; open calls live on.
    ("grpc.max_connection_age_ms", 60_000),
    ("grpc.http2.lookahead_bytes", 65_536),
    ("grpc.http2.bdp_probe", 0),
    ("grpc.server_handshake_timeout_ms", 5_000),
)

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING

Stop = Callable[[float], Awaitable[None]]
ServicerT = TypeVar("ServicerT")

log = logging.getLogger(__name__)


def end_on_signals() -> None:
    """Lets SIGTERM and Ctrl-C end the process at once, until `run_until_signal` takes over.

    Nothing interrupts a model that is loading, and process 1 of a container ignores what it does
    not handle.
    """
    for number in STOP_SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, os._exit, 128 + number)


class GrpcServer:
    """The gRPC side of a process; servicers are added before or after the start."""

    def __init__(self, config: ServiceConfig, service_names: Sequence[str]) -> None:
        if api_implementation.Type() != "upb":
            raise SystemExit("protobuf runs without its C core (upb): reinstall it from a wheel")
        self._config = config
        self._ready = False
        self._drained = False
        self._health = health.aio.HealthServicer()
        self.draining = asyncio.Event()
        self.port = config.port
        self.grpc = grpc.aio.server(
            interceptors=(
                ErrorInterceptor(config.unread_s),
                GateInterceptor(self.why_closed),
            ),
            options=_OPTIONS,
        )
        self._stops: list[Stop] = [self.grpc.stop]
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self.grpc)
        names = (*service_names, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self.grpc)

    def add(self, add_to_server: Callable[[ServicerT, Any], None], servicer: ServicerT) -> None:
        """Adds a servicer by the function that was generated for it."""
        add_to_server(servicer, _LateServer(self.grpc))

    def stop_together(self, stop: Stop) -> None:
        """Lets another server of the process drain with this one: `stop` is given the seconds."""
        self._stops.append(stop)

    async def start(self) -> None:
        """Listens; alive, not yet ready.

        Raises:
            SystemExit: the port is taken.
        """
        address = f"{self._config.host}:{self._config.port}"
        await self.set_live(True)
        await self.set_ready(False)
        try:
            self.port = self.grpc.add_insecure_port(address)
        except RuntimeError:
            raise SystemExit(f"cannot listen on {address}: give another --host or --port") from None
        await self.grpc.start()

    async def set_ready(self, ready: bool) -> None:
        """Takes new sessions, or says that it does not."""
        self._ready = ready
        await self._say_ready(ready)
        if ready:
            log.info("ready at %s:%d", self._config.host, self.port)

    async def set_live(self, live: bool) -> None:
        """Says whether the process does its work, or has to be started anew."""
        await self._health.set("live", _SERVING if live else _NOT_SERVING)

    async def _say_ready(self, ready: bool) -> None:
        for name in ("", "ready"):
            await self._health.set(name, _SERVING if ready else _NOT_SERVING)

    async def run_until_signal(self) -> None:
        """Serves until SIGTERM or SIGINT, then drains; a second signal ends open calls at once.

        What there is by now stays: it is never again gone through for garbage, since with torch
        that takes longer than a frame, and everything waits meanwhile.
        """
        gc.collect()
        gc.freeze()
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, stop.set)
        await stop.wait()
        stop.clear()
        drained = asyncio.create_task(self.drain())
        hurried = asyncio.create_task(stop.wait())
        await asyncio.wait((drained, hurried), return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        await self._stop(0)
        await drained

    async def drain(self) -> None:
        """Says `not ready`, then takes no new session, gives the open ones `drain_s`, stops."""
        log.info("draining: %g s for the open calls", self._config.drain_s)
        await self._say_ready(False)
        self.draining.set()
        # A lame duck still takes the calls of those who have not looked at its health yet.
        await asyncio.sleep(self._config.lame_duck_s)
        self._drained = True
        await self._stop(self._config.drain_s)
        log.info("stopped")

    async def _stop(self, grace_s: float) -> None:
        await asyncio.gather(*(stop(grace_s) for stop in self._stops))

    def why_closed(self) -> KaiwaError | None:
        """Gives the error that answers new calls now, if they are not taken."""
        if self._drained:
            return Draining("the service is shutting down: open the session on another replica")
        if not self._ready:
            return NotReady("the service is still getting ready: try again in a few seconds")
        return None


class _LateServer:
    """A server that has started: generated code finds all it calls, and grpc has no complaint.

    What is left out is a shortcut to methods known at the start; later on, grpc only warns of it.
    """

    def __init__(self, server: grpc.aio.Server) -> None:
        self.add_generic_rpc_handlers = server.add_generic_rpc_handlers

    def add_registered_method_handlers(self, service: str, handlers: Any) -> None:
        """Does nothing."""
