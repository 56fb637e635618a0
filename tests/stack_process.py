"""The real thing: the three services as processes, started by `kaiwa-serve`."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

STOP_TIMEOUT_S = 60


@dataclass(frozen=True)
class Stack:
    """Where the services of a running `kaiwa-serve` listen (host:port)."""

    gateway: str
    websocket: str
    codec: str
    lm: str
    metrics: tuple[str, str, str]
    process: subprocess.Popen[bytes]


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    with ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


@contextmanager
def running_stack(log_path: Path, *flags: str) -> Iterator[Stack]:
    """Runs `kaiwa-serve` with the embedded model on free ports until the block ends."""
    gateway, websocket, codec, lm, *metrics = free_ports(7)
    command = [
        *(sys.executable, "-m", "kaiwa_server.stack"),
        *("--gateway-port", str(gateway), "--http-port", str(websocket)),
        *("--codec-port", str(codec), "--lm-port", str(lm)),
        *("--metrics-ports", ",".join(map(str, metrics)), "--log-level", "info"),
        # It says that it is ready, and then runs this until the block ends and the pipe closes.
        *("--then", f"{sys.executable} -c 'print(1, flush=True); input()'", *flags),
    ]
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
        )
        assert process.stdin and process.stdout
        try:
            assert process.stdout.readline(), f"the services did not start: {log_path.read_text()}"
            yield Stack(
                *(f"127.0.0.1:{port}" for port in (gateway, websocket, codec, lm)),
                metrics=tuple(f"127.0.0.1:{port}" for port in metrics),  # type: ignore[arg-type]
                process=process,
            )
        finally:
            process.communicate(b"\n", timeout=STOP_TIMEOUT_S)
