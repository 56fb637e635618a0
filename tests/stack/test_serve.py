"""`kaiwa-serve` as a process: it starts three services and leaves none behind."""

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from stack_process import free_ports, running_stack

END_WITHIN_S = 30


def children_of(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """The services, and what runs in them."""
    return psutil.Process(process.pid).children(recursive=True)


def test_the_exit_code_is_that_of_the_command_it_runs() -> None:
    gateway, websocket, codec, lm, *metrics = free_ports(7)
    command = [
        *(sys.executable, "-m", "kaiwa_server.stack", "--then", "sh -c 'exit 7'"),
        *("--gateway-port", str(gateway), "--http-port", str(websocket)),
        *("--codec-port", str(codec), "--lm-port", str(lm)),
        *("--metrics-ports", ",".join(map(str, metrics))),
    ]
    assert subprocess.run(command, capture_output=True, timeout=END_WITHIN_S).returncode == 7


@pytest.mark.parametrize(
    ("deed", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 0), (signal.SIGKILL, -9)]
)
def test_no_service_outlives_it(tmp_path: Path, deed: signal.Signals, code: int) -> None:
    with running_stack(tmp_path / "stack.log") as stack:
        services = [child for child in children_of(stack.process) if "-c" not in child.cmdline()]
        assert len(services) == 3
        stack.process.send_signal(deed)
        _, alive = psutil.wait_procs(services, timeout=END_WITHIN_S)
        assert not alive
        stack.process.stdin.close()  # type: ignore[union-attr]
        stack.process.stdin = None
        assert stack.process.wait(END_WITHIN_S) == code
