"""`kaiwa-serve` as a process: it starts three services and leaves none behind."""

import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import psutil
import pytest
from stack_process import free_ports, running_stack

END_WITHIN_S = 30


def children_of(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """The services, and what runs in them."""
    return psutil.Process(process.pid).children(recursive=True)


def metrics_of(address: str) -> str:
    with urllib.request.urlopen(f"http://{address}/metrics") as answer:
        return str(answer.read().decode())


def test_the_exit_code_is_that_of_the_command_it_runs() -> None:
    gateway, websocket, codec, lm, *metrics = free_ports(7)
    command = [
        *(sys.executable, "-m", "kaiwa_server.stack", "--then", "sh -c 'exit 7'"),
        *("--gateway-port", str(gateway), "--http-port", str(websocket)),
        *("--codec-port", str(codec), "--lm-port", str(lm)),
        *("--metrics-ports", ",".join(map(str, metrics))),
    ]
    assert subprocess.run(command, capture_output=True, timeout=END_WITHIN_S).returncode == 7


def test_slots_that_are_not_given_are_measured_by_one_model_after_the_other(
    tmp_path: Path,
) -> None:
    log_path = tmp_path / "stack.log"
    with running_stack(log_path, "--slots", "0") as stack:
        _, codec, lm = map(metrics_of, stack.metrics)
    log = log_path.read_text()
    assert re.findall(r"(LM|codec): steps with full contexts", log) == ["LM", "codec"]
    assert log.index("lm       ready") < log.index("codec: steps with full contexts")
    lm_slots, codec_slots = re.findall(r"^  slots: (\d+) \(", log, re.MULTILINE)
    assert f'kaiwa_slots{{loop="lm"}} {lm_slots}.0\n' in lm
    assert f'kaiwa_slots{{loop="encoder"}} {codec_slots}.0\n' in codec
    for metrics in (lm, codec):
        assert re.search(r"^kaiwa_measured_step_p99_seconds \d", metrics, re.MULTILINE)


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
