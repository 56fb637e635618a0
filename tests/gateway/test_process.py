"""`kaiwa-gateway` as a process, in front of a fake codec service in this one."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import grpc
import pytest
from gateway.fake_codec import FakeCodecServer
from gateway.running_gateway import config_message, failure_of, read_all, until
from grpc_health.v1 import health_pb2, health_pb2_grpc
from kaiwa.v1 import dialogue_pb2_grpc
from stack_process import free_ports

Process = asyncio.subprocess.Process
SERVING = health_pb2.HealthCheckResponse.SERVING


@pytest.fixture
async def codec_server() -> AsyncIterator[FakeCodecServer]:
    server = FakeCodecServer()
    await server.start()
    yield server
    await server.die()


async def start(*flags: str, **environment: str) -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "kaiwa_server.gateway", *flags),
        env={**os.environ, **environment},
        stderr=asyncio.subprocess.PIPE,
    )


@asynccontextmanager
async def running(codec: str, *flags: str) -> AsyncIterator[tuple[Process, int, int, int]]:
    """A gateway's process and its three ports: gRPC, HTTP, metrics."""
    port, http_port, metrics_port = free_ports(3)
    ports = ("--port", str(port), "--http-port", str(http_port))
    process = await start(*("--codec", codec, *ports, "--metrics-port", str(metrics_port), *flags))
    try:
        yield process, port, http_port, metrics_port
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def health(channel: grpc.aio.Channel, name: str) -> int:
    request = health_pb2.HealthCheckRequest(service=name)
    answer = await health_pb2_grpc.HealthStub(channel).Check(request, wait_for_ready=True)
    return int(answer.status)


async def until_ready(channel: grpc.aio.Channel) -> None:
    async with asyncio.timeout(30):
        while await health(channel, "ready") != SERVING:
            await asyncio.sleep(0.05)


async def test_a_gateway_is_alive_at_once_and_ready_with_the_services_behind(
    codec_server: FakeCodecServer,
) -> None:
    codec_server.codec.knows_lm = False
    async with running(codec_server.address) as (_, port, http_port, metrics_port):
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            assert await health(channel, "live") == SERVING
            assert await health(channel, "ready") != SERVING
            call = dialogue_pb2_grpc.DialogueServiceStub(channel).Converse()
            await call.write(config_message())
            assert (await failure_of(call))[:2] == ("UNAVAILABLE", "NOT_READY")
            codec_server.codec.knows_lm = True
            await until_ready(channel)
            call = dialogue_pb2_grpc.DialogueServiceStub(channel).Converse()
            await call.write(config_message())
            await call.done_writing()
            assert (await read_all(call))[-1].HasField("summary")
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{http_port}/v1/converse") as response:
                assert response.status == 426
            async with session.get(f"http://127.0.0.1:{metrics_port}/metrics") as response:
                metrics = await response.text()
        assert 'kaiwa_admissions_total{call="Converse",result="ACCEPTED"} 1.0' in metrics


async def test_a_stop_signal_tells_the_open_conversations_and_ends_them(
    codec_server: FakeCodecServer,
) -> None:
    async with running(codec_server.address, "--drain-s", "0.5") as (process, port, http_port, _):
        async with (
            grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
            aiohttp.ClientSession() as session,
        ):
            await until_ready(channel)
            call = dialogue_pb2_grpc.DialogueServiceStub(channel).Converse()
            await call.write(config_message())
            assert (await call.read()).HasField("ready")
            async with session.ws_connect(f"http://127.0.0.1:{http_port}/api/chat") as chat:
                assert await chat.receive_bytes() == b"\x00"
                process.send_signal(signal.SIGTERM)
                assert (await call.read()).event.going_away.grace_ms == 500
                assert (await chat.receive_bytes()).startswith(b"\x05DRAINING")
                assert (await chat.receive()).type is aiohttp.WSMsgType.CLOSE
                assert chat.close_code == aiohttp.WSCloseCode.GOING_AWAY
            assert (await failure_of(call))[0] == "UNAVAILABLE"
        assert await process.wait() == 0
        await until(lambda: codec_server.codec.calls == 0)


async def test_a_second_signal_ends_everything_at_once(codec_server: FakeCodecServer) -> None:
    async with running(codec_server.address, "--drain-s", "60") as (process, port, http_port, _):
        async with (
            grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
            aiohttp.ClientSession() as session,
        ):
            await until_ready(channel)
            call = dialogue_pb2_grpc.DialogueServiceStub(channel).Converse()
            await call.write(config_message())
            assert (await call.read()).HasField("ready")
            async with session.ws_connect(f"http://127.0.0.1:{http_port}/api/chat") as chat:
                assert await chat.receive_bytes() == b"\x00"
                process.send_signal(signal.SIGTERM)
                assert (await call.read()).event.HasField("going_away")
                process.send_signal(signal.SIGTERM)
                assert (await chat.receive_bytes()).startswith(b"\x05DRAINING")
                assert (await chat.receive()).type is aiohttp.WSMsgType.CLOSE
        async with asyncio.timeout(20):
            assert await process.wait() == 0


@pytest.mark.parametrize("flag", ["--port", "--http-port", "--metrics-port"])
async def test_a_port_that_is_taken_is_told_in_a_sentence(
    codec_server: FakeCodecServer, flag: str
) -> None:
    taken = codec_server.address.rpartition(":")[2]
    ports = dict(zip(("--port", "--http-port", "--metrics-port"), free_ports(3), strict=True))
    flags = [text for each in ports for text in (each, taken if each == flag else str(ports[each]))]
    process = await start(*flags)
    _, errors = await process.communicate()
    assert process.returncode == 1
    last = errors.decode().splitlines()[-1]
    assert f"127.0.0.1:{taken}" in last and f"another {flag}" in last.replace("--host or ", "")


async def test_a_machine_without_libopus_is_told_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "opuslib_next.py").write_text("raise Exception('no library')")
    process = await start(PYTHONPATH=str(tmp_path))
    _, errors = await process.communicate()
    assert process.returncode == 1
    assert errors.decode().splitlines()[-1].startswith("kaiwa-gateway: libopus is not installed")
