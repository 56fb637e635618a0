"""One service as a child process: started, waited for, stopped."""

import asyncio
import ctypes
import signal
import sys
from dataclasses import dataclass
from typing import Never

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from kaiwa_server.serving.channels import open_channel

_PR_SET_PDEATHSIG = 1
_POLL_S = 0.05


class ServiceFailed(Exception):
    """A service ended by itself, or was not ready in time."""


@dataclass(frozen=True)
class ServiceSpec:
    """What to run, and where its health can be asked."""

    name: str
    arguments: tuple[str, ...]
    address: str


class ServiceProcess:
    """A service; it ends when this process ends, however that comes about."""

    def __init__(self, spec: ServiceSpec) -> None:
        self.name = spec.name
        self._spec = spec
        self._started: asyncio.Future[asyncio.subprocess.Process] = asyncio.Future()

    async def start(self) -> None:
        """Starts the service. Its messages go to our own standard error."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            f"kaiwa_server.{self.name}",
            *self._spec.arguments,
            stdin=asyncio.subprocess.DEVNULL,
            # A Ctrl-C in the terminal reaches this process only, which then stops them in order.
            start_new_session=True,
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        )
        self._started.set_result(process)

    async def wait_until_ready(self, timeout_s: float) -> None:
        """Returns once the service takes sessions.

        Raises:
            ServiceFailed: it is not ready in time.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._poll_health()
        except TimeoutError:
            raise ServiceFailed(f"{self.name} is not ready after {timeout_s:g} s") from None

    async def wait_until_ended(self) -> Never:
        """Waits until the service has started and ends by itself, which it should not.

        Raises:
            ServiceFailed: always, in the end.
        """
        process = await asyncio.shield(self._started)
        code = await process.wait()
        raise ServiceFailed(f"{self.name} ended with exit code {code}: its last words are above")

    async def stop(self, patience_s: float) -> None:
        """Asks the service to stop, if it runs, and ends it when it does not."""
        if not self._started.done():
            return
        process = self._started.result()
        if process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(patience_s):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def _poll_health(self) -> None:
        async with open_channel(self._spec.address) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            request = health_pb2.HealthCheckRequest(service="ready")
            while True:
                try:
                    answer = await stub.Check(request, wait_for_ready=True)
                    if answer.status == health_pb2.HealthCheckResponse.SERVING:
                        return
                except grpc.aio.AioRpcError:
                    pass  # It is not listening yet.
                await asyncio.sleep(_POLL_S)


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
