"""`kaiwa-serve`: the three services on one machine, started and stopped together."""

import asyncio
import shlex
import signal
import sys
import time
from contextlib import AsyncExitStack, suppress

from kaiwa_server.errors import KaiwaError
from kaiwa_server.serving.config import parse
from kaiwa_server.serving.gateway_options import given_flags
from kaiwa_server.serving.hub import resolve_model_dir
from kaiwa_server.stack.config import StackConfig
from kaiwa_server.stack.ports import PortTaken, require_free
from kaiwa_server.stack.processes import ServiceFailed, ServiceProcess, ServiceSpec

_STOP_PATIENCE_S = 10.0
# Where slots are measured. A frame goes through both models, one after the other on the same cores.
_STEP_BUDGET_MS = 32
# For each session: frames are encoded together, and all services share the processors.
_GATHER_MS = 0.6
# By how much longer the services behind the gateway bear to hear nothing than it does itself.
_MORE_SILENCE_S = 15.0


def main() -> None:
    """Runs the stack until Ctrl-C, SIGTERM or the end of one of its services."""
    config = parse(StackConfig)
    try:
        require_free(config)
        code = asyncio.run(serve(config))
    except (PortTaken, ServiceFailed, KaiwaError) as error:
        raise SystemExit(f"kaiwa-serve: {error}") from None
    raise SystemExit(code)


async def serve(config: StackConfig) -> int:
    """Starts the services and stops them, gateway first, on a signal or after `then`."""
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    async with AsyncExitStack() as stack:
        services = [ServiceProcess(spec) for spec in specs(config)]
        for service in services:
            stack.push_async_callback(service.stop, _STOP_PATIENCE_S)
        running = asyncio.create_task(run(services, config))
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait((running, stopped), return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not running.done():
            running.cancel()
        with suppress(asyncio.CancelledError):
            return await running
        _say("kaiwa-serve: stopping")
    return 0


async def run(services: list[ServiceProcess], config: StackConfig) -> int:
    """Starts the services, and is there until `then` or one of them has ended.

    Raises:
        ServiceFailed: a service ended, or is not ready in time.
    """
    ends = [asyncio.create_task(service.wait_until_ended()) for service in services]
    work = asyncio.create_task(_work(services, config))
    try:
        done, _ = await asyncio.wait((work, *ends), return_when=asyncio.FIRST_COMPLETED)
        return await done.pop()
    finally:
        for task in (work, *ends):
            task.cancel()
        await asyncio.gather(work, *ends, return_exceptions=True)


async def _work(services: list[ServiceProcess], config: StackConfig) -> int:
    started = time.monotonic()
    if config.slots:
        for service in services:
            await service.start()
    for service in services:
        if not config.slots:  # each measures while those before it have nothing to do
            await service.start()
        await service.wait_until_ready(config.start_timeout_s)
        _say(f"{service.name:8} ready after {time.monotonic() - started:.1f} s")
    _say(
        f"Kaiwa listens: gRPC at {config.host}:{config.gateway_port}, browsers at "
        f"http://{config.host}:{config.http_port}, Kyutai's clients at its /api/chat. "
        "Ctrl-C stops it."
    )
    if config.then:
        return await _command(config.then)
    await asyncio.Event().wait()  # until a signal, or the end of a service
    return 0


async def _command(line: str) -> int:
    # In a session of its own, so that a Ctrl-C in the terminal reaches it once, from here.
    process = await asyncio.create_subprocess_exec(*shlex.split(line), start_new_session=True)
    try:
        return await process.wait()
    except asyncio.CancelledError:
        process.send_signal(signal.SIGINT)
        await process.wait()
        raise


def specs(config: StackConfig) -> list[ServiceSpec]:
    """The services from the innermost out, so that each finds the next one."""
    gateway_metrics, codec_metrics, lm_metrics = map(str, config.metrics_ports)
    model = []
    if config.model_dir or config.hf_repo:
        model = ["--model-dir", str(resolve_model_dir(config.model_dir, config.hf_repo))]
    engine = [*model, "--slots", str(config.slots), "--device", config.device]
    engine += ["--precision", config.precision]
    engine += ["--threads", str(config.threads), "--step-budget-ms", str(_STEP_BUDGET_MS)]
    silence_s = max(config.hold_s, config.silence_s) + _MORE_SILENCE_S
    engine += ["--silence-s", str(silence_s)]
    lm, codec = f"127.0.0.1:{config.lm_port}", f"127.0.0.1:{config.codec_port}"
    every_interface = config.host in ("0.0.0.0", "::")
    gateway_host = "127.0.0.1" if every_interface else config.host
    # Where slots are measured, the services behind the gateway say when they are full.
    seats = ["--max-sessions", str(config.slots)] if config.slots else []
    logs = ["--log-level", config.log_level or ("warning" if config.slots else "info")]

    def spec(
        name: str, port: int, metrics: str, *arguments: str, host: str = "127.0.0.1"
    ) -> ServiceSpec:
        common = ("--port", str(port), "--metrics-port", metrics, *logs)
        return ServiceSpec(name, (*common, *arguments), f"{host}:{port}")

    return [
        spec("lm", config.lm_port, lm_metrics, *engine),
        spec(
            "codec",
            config.codec_port,
            codec_metrics,
            *engine,
            *("--lm", lm, "--gather-ms", str(_GATHER_MS)),
        ),
        spec(
            "gateway",
            config.gateway_port,
            gateway_metrics,
            *("--host", config.host, "--http-port", str(config.http_port)),
            *("--codec", codec, *seats, *given_flags(config)),
            host=gateway_host,
        ),
    ]


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
