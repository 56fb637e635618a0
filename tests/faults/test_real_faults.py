"""What goes wrong with real processes: vanished clients, a full service, dead ones, frozen ones."""

import asyncio
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import psutil
import pytest
from kaiwa.v1 import codec_pb2, codec_pb2_grpc, dialogue_pb2, dialogue_pb2_grpc
from kaiwa.v1.dialogue_pb2 import ConverseConfig, ConverseRequest, InputAudio
from stack_process import Stack, running_stack

FREE_WITHIN_S = 1.0
PCM = dialogue_pb2.AudioFormat(encoding=dialogue_pb2.AUDIO_ENCODING_PCM_F32LE)
FAST = dialogue_pb2.PACE_FAST
CONFIG = ConverseRequest(config=ConverseConfig(input_format=PCM, output_format=PCM, pace=FAST))
FRAME = ConverseRequest(audio=InputAudio(data=np.zeros(1920, np.float32).tobytes()))


@asynccontextmanager
async def dialogue(address: str) -> AsyncIterator[Any]:
    async with grpc.aio.insecure_channel(address) as channel:
        yield dialogue_pb2_grpc.DialogueServiceStub(channel).Converse()


async def begin(call: Any) -> None:
    await call.write(CONFIG)
    assert (await call.read()).HasField("ready")


async def exchange(call: Any, frames: int) -> None:
    """Sends silence frame by frame, each when the one before it is answered."""
    for _ in range(frames):
        await call.write(FRAME)
        while not (await call.read()).HasField("audio"):
            pass


async def slots_used(stack: Stack) -> tuple[int, int, int]:
    async with grpc.aio.insecure_channel(stack.codec) as channel:
        stub = codec_pb2_grpc.CodecServiceStub(channel)
        info = await stub.GetCodecInfo(codec_pb2.GetCodecInfoRequest())
    return info.encoder_slots_used, info.decoder_slots_used, info.lm.slots_used


async def until(condition: Callable[[], Awaitable[bool]], within_s: float) -> None:
    """Asks again and again, and fails when the answer is still no after `within_s`."""
    async with asyncio.timeout(within_s):
        while not await condition():
            await asyncio.sleep(0.01)


async def all_slots_are_free(stack: Stack) -> bool:
    return await slots_used(stack) == (0, 0, 0)


async def failure_of(call: Any) -> tuple[str, str, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        while True:
            assert await call.read() is not grpc.aio.EOF, "the call ended without an error"
    error = caught.value
    reason = dict(error.trailing_metadata() or ()).get("kaiwa-reason", "")
    return error.code().name, reason, error.details() or ""


CLIENT_THAT_HANGS = """
import sys, grpc
from kaiwa.v1 import dialogue_pb2 as d, dialogue_pb2_grpc as g
def requests():
    yield d.ConverseRequest.FromString(bytes.fromhex(sys.argv[2]))
    sys.stdin.read()
for response in g.DialogueServiceStub(grpc.insecure_channel(sys.argv[1])).Converse(requests()):
    print(response.WhichOneof("response"), flush=True)
"""


async def test_a_client_that_is_killed_leaves_its_slots_within_a_second(stack: Stack) -> None:
    command = [sys.executable, "-c", CLIENT_THAT_HANGS, stack.gateway]
    client = subprocess.Popen(
        [*command, CONFIG.SerializeToString().hex()], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert client.stdout and await asyncio.to_thread(client.stdout.readline) == b"ready\n"
    assert await slots_used(stack) == (1, 1, 1)
    client.kill()
    client.communicate()
    await until(lambda: all_slots_are_free(stack), FREE_WITHIN_S)


async def test_a_hundred_clients_that_vanish_anywhere_leave_nothing(stack: Stack) -> None:
    dice = random.Random(5)

    async def visit() -> None:
        async with dialogue(stack.gateway) as call:
            deed = dice.randrange(4)
            if deed >= 1:
                await call.write(CONFIG)
            try:
                if deed >= 2:
                    await call.read()
                if deed >= 3:
                    await exchange(call, dice.randrange(1, 4))
            except grpc.aio.AioRpcError as error:
                assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            call.cancel()

    for _ in range(20):
        await asyncio.gather(*(visit() for _ in range(5)))
    await until(lambda: all_slots_are_free(stack), FREE_WITHIN_S)
    async with dialogue(stack.gateway) as call:
        await begin(call)
        await exchange(call, 3)


async def test_a_full_service_says_so_and_its_sessions_go_on(stack: Stack) -> None:
    async with asyncio.timeout(60):
        channels = [grpc.aio.insecure_channel(stack.gateway) for _ in range(5)]
        calls = [dialogue_pb2_grpc.DialogueServiceStub(c).Converse() for c in channels]
        for call in calls[:4]:
            await begin(call)
        await calls[4].write(CONFIG)
        status, reason, sentence = await failure_of(calls[4])
        assert (status, reason) == ("RESOURCE_EXHAUSTED", "FULL")
        assert "try again" in sentence
        for call in calls[:4]:
            await exchange(call, 2)
            call.cancel()
        for channel in channels:
            await channel.close()
    await until(lambda: all_slots_are_free(stack), FREE_WITHIN_S)


@pytest.fixture
def breakable(tmp_path: Path) -> Any:
    with running_stack(tmp_path / "stack.log", "--slots", "2") as stack:
        yield stack


def service(stack: Stack, name: str) -> psutil.Process:
    children = psutil.Process(stack.process.pid).children()
    return next(c for c in children if f"kaiwa_server.{name}" in c.cmdline())


@pytest.mark.parametrize(
    ("deed", "within_s"), [(signal.SIGKILL, 5.0), (signal.SIGSTOP, 12.0)], ids=["dead", "frozen"]
)
async def test_the_client_hears_of_a_lost_lm(
    breakable: Stack, deed: signal.Signals, within_s: float
) -> None:
    async with dialogue(breakable.gateway) as call:
        await begin(call)
        await exchange(call, 2)
        service(breakable, "lm").send_signal(deed)
        await call.write(FRAME)
        async with asyncio.timeout(within_s):
            status, reason, sentence = await failure_of(call)
    assert (status, reason) == ("UNAVAILABLE", "LM_DOWN")
    assert breakable.lm in sentence
    service(breakable, "lm").send_signal(signal.SIGCONT) if deed is signal.SIGSTOP else None


async def test_a_service_that_ends_takes_the_stack_down_with_a_sentence(tmp_path: Path) -> None:
    with running_stack(tmp_path / "stack.log") as stack:
        service(stack, "codec").kill()
        assert await asyncio.to_thread(stack.process.wait, 30) == 1
    assert "codec ended with exit code -9" in (tmp_path / "stack.log").read_text()
