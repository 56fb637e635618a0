"""Part `gateway`: how many live Opus sessions one gateway process carries on one core.

Behind it is a codec service that answers at once, so that what is added is the gateway's: Opus both
ways, two calls, the pacing of the frames.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bench.comparison import Say
from bench.config import BenchConfig
from bench.load import LoadFailed, NoGenerator, load_row, pinned, require_generator, talk
from bench.results import Results
from bench.targets import gateway_target_ms
from kaiwa_server.serving.probe import probe
from stack_process import free_ports

WHAT = "gateway on one core"
READY_WITHIN_S = 30.0
STOP_WITHIN_S = 15.0


def run(config: BenchConfig, results: Results, say: Say) -> None:
    """Leaves a row for each number of sessions."""
    try:
        require_generator()
    except NoGenerator as missing:
        results.notes.append(f"{WHAT}: {missing}")
        return
    sessions_at_most = max(config.effort.gateway_sessions)
    with (
        _stub(_stub_core(config)) as codec,
        _gateway(codec, sessions_at_most, config.core) as (address, metrics),
    ):
        try:
            for sessions in config.effort.gateway_sessions:
                say(f"{WHAT}: {sessions} sessions for {config.effort.talk_s:g} s")
                figures = talk(address, [metrics], sessions, config.effort.talk_s, config.load_core)
                results.loads.append(load_row(WHAT, figures, gateway_target_ms(sessions)))
        except LoadFailed as failure:
            results.notes.append(str(failure))


def _stub_core(config: BenchConfig) -> int:
    """A third core, so that stub and generator are not in each other's way; if there is one."""
    others = os.sched_getaffinity(0) - {config.core, config.load_core}
    return min(others, default=config.load_core)


@contextmanager
def _stub(core: int) -> Iterator[str]:
    """The address of a codec service without a model."""
    with pinned(core):
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.codec_stub"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
    assert process.stdout
    try:
        yield process.stdout.readline().strip()
    finally:
        process.communicate("", timeout=STOP_WITHIN_S)


@contextmanager
def _gateway(codec: str, sessions: int, core: int) -> Iterator[tuple[str, str]]:
    """A gateway's address and that of its metrics, once it is ready."""
    port, http_port, metrics_port = free_ports(3)
    command = [
        *(sys.executable, "-m", "kaiwa_server.gateway", "--codec", codec),
        *("--port", str(port), "--http-port", str(http_port)),
        *("--metrics-port", str(metrics_port), "--max-sessions", str(sessions)),
        *("--log-level", "error"),
    ]
    with pinned(core):
        process = subprocess.Popen(command)
    address = f"127.0.0.1:{port}"
    try:
        _wait_until_ready(address, process)
        yield address, f"127.0.0.1:{metrics_port}"
    finally:
        process.terminate()
        process.wait(STOP_WITHIN_S)


def _wait_until_ready(address: str, process: subprocess.Popen[bytes]) -> None:
    """Returns when the gateway takes sessions.

    Raises:
        LoadFailed: it has ended, or is not ready in time.
    """
    give_up_s = time.monotonic() + READY_WITHIN_S
    while True:
        try:
            probe(address, "ready")
            return
        except SystemExit as not_yet:
            if process.poll() is not None or time.monotonic() > give_up_s:
                raise LoadFailed(f"the gateway is not ready: {not_yet}") from None
        time.sleep(0.2)
