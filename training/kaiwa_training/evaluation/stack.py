"""The real services for an evaluation: `kaiwa-serve` with a checkpoint, on free ports."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

from kaiwa_training.evaluation.errors import EvaluationError

_READY_WITHIN_S = 120.0
_STOPPED_WITHIN_S = 60.0
# Runs once the services are ready and says so; it ends when this process closes the pipe, or dies,
# and with it the services.
_THEN = "sh -c 'echo ready; exec cat'"


@asynccontextmanager
async def running_stack(model_dir: Path, slots: int, log_path: Path) -> AsyncIterator[str]:
    """Runs the three services until the block ends; gives the gateway's host:port.

    Raises:
        EvaluationError: they did not get ready; the text names the log.
    """
    gateway, http, codec, lm, *metrics = (str(port) for port in _free_ports(7))
    log_path.parent.mkdir(parents=True, exist_ok=True)
    with log_path.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "kaiwa_server.stack", "--model-dir", str(model_dir)),
            *("--gateway-port", gateway, "--http-port", http, "--codec-port", codec),
            *("--lm-port", lm, "--metrics-ports", ",".join(metrics)),
            *("--slots", str(slots), "--threads", "1", "--device", "cpu", "--then", _THEN),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            # A Ctrl-C in the terminal is for this process, which then stops the services.
            start_new_session=True,
        )
        try:
            await _wait_until_ready(process, log_path)
            yield f"127.0.0.1:{gateway}"
        finally:
            await _stop(process)


async def _wait_until_ready(process: asyncio.subprocess.Process, log_path: Path) -> None:
    if process.stdout is None:
        raise EvaluationError("the services were started without a pipe")
    try:
        async with asyncio.timeout(_READY_WITHIN_S):
            said = await process.stdout.readline()
    except TimeoutError:
        said = b""
    if not said:
        raise EvaluationError(f"the services did not get ready: {log_path} says why")


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(_STOPPED_WITHIN_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    with ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
