"""A server's life over a real socket, with the LM's contract and a servicer that obeys the test."""

import asyncio
import gc
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
import serving_calls
from grpc_health.v1 import health_pb2, health_pb2_grpc
from kaiwa.v1 import frames_pb2, lm_pb2, lm_pb2_grpc
from kaiwa_server import errors
from kaiwa_server.serving.calls import first_message
from kaiwa_server.serving.channels import as_kaiwa_error, open_channel
from kaiwa_server.serving.config import ServiceConfig
from kaiwa_server.serving.liveness import follow
from kaiwa_server.serving.server import GrpcServer


class Config(ServiceConfig):
    port: int = 0
    metrics_port: int = 0
    drain_s: float = 5.0


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    """Leaves no garbage behind that is not looked for."""
    yield
    gc.unfreeze()


class ObedientLm(lm_pb2_grpc.LmServiceServicer):
    """Answers each user frame with an empty step; raises or waits where it is told to."""

    def __init__(self) -> None:
        self.raising: Exception | None = None
        self.open_calls = 0
        self.changed = asyncio.Condition()

    async def Generate(self, request_iterator: Any, context: Any) -> AsyncIterator[Any]:  # type: ignore[override]
        await self._count(1)
        try:
            if self.raising:
                raise self.raising
            async for _ in request_iterator:
                yield lm_pb2.GenerateResponse(step=lm_pb2.GenerateStep())
            yield lm_pb2.GenerateResponse(summary=lm_pb2.GenerateSummary())
        finally:
            self.open_calls -= 1
            async with self.changed:
                self.changed.notify_all()

    async def GetModelInfo(self, request: Any, context: Any) -> Any:  # type: ignore[override]
        if self.raising:
            raise self.raising
        return lm_pb2.GetModelInfoResponse(slots=3)

    async def _count(self, change: int) -> None:
        self.open_calls += change
        async with self.changed:
            self.changed.notify_all()

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5), self.changed:
            await self.changed.wait_for(condition)


@asynccontextmanager
async def serve(servicer: Any, **settings: Any) -> AsyncIterator[tuple[GrpcServer, Any]]:
    server = GrpcServer(Config(**settings), ["kaiwa.v1.LmService"])
    await server.start()
    lm_pb2_grpc.add_LmServiceServicer_to_server(servicer, server.grpc)
    async with open_channel(f"127.0.0.1:{server.port}") as channel:
        yield server, channel
    await server.grpc.stop(0)


async def health_of(channel: grpc.aio.Channel, name: str) -> str:
    stub = health_pb2_grpc.HealthStub(channel)
    answer = await stub.Check(health_pb2.HealthCheckRequest(service=name))
    return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)


async def failure_of(call: Any) -> tuple[str, str, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    trailers = dict(caught.value.trailing_metadata() or ())
    return caught.value.code().name, trailers.get("kaiwa-reason", ""), caught.value.details() or ""


def model_info(channel: grpc.aio.Channel) -> Any:
    return lm_pb2_grpc.LmServiceStub(channel).GetModelInfo(lm_pb2.GetModelInfoRequest())


def generate(channel: grpc.aio.Channel) -> Any:
    return lm_pb2_grpc.LmServiceStub(channel).Generate()


async def test_a_server_is_alive_before_it_is_ready_and_says_so_to_every_call() -> None:
    async with serve(ObedientLm()) as (server, channel):
        assert await health_of(channel, "live") == "SERVING"
        assert await health_of(channel, "ready") == "NOT_SERVING"
        assert (await failure_of(model_info(channel)))[:2] == ("UNAVAILABLE", "NOT_READY")
        assert (await failure_of(generate(channel).read()))[:2] == ("UNAVAILABLE", "NOT_READY")
        await server.set_ready(True)
        assert await health_of(channel, "ready") == "SERVING"
        assert (await model_info(channel)).slots == 3


async def test_a_process_whose_steps_do_not_complete_is_not_live() -> None:
    steps_complete = False
    async with serve(ObedientLm()) as (server, channel):
        following = asyncio.create_task(follow(server, lambda: steps_complete, check_s=0.01))
        async with asyncio.timeout(5):
            while await health_of(channel, "live") != "NOT_SERVING":
                await asyncio.sleep(0.01)
            steps_complete = True
            while await health_of(channel, "live") != "SERVING":
                await asyncio.sleep(0.01)
        following.cancel()


async def test_an_error_of_ours_leaves_as_its_status_reason_and_sentence() -> None:
    servicer = ObedientLm()
    async with serve(servicer) as (server, channel):
        await server.set_ready(True)
        servicer.raising = errors.ServiceFull("all 8 slots are taken")
        expected = ("RESOURCE_EXHAUSTED", "FULL", "all 8 slots are taken")
        assert await failure_of(model_info(channel)) == expected
        assert await failure_of(generate(channel).read()) == expected


async def test_an_error_inside_a_task_group_leaves_as_itself() -> None:
    servicer = ObedientLm()
    servicer.raising = ExceptionGroup("tasks", [ValueError("x"), errors.BadFrame("too short")])
    async with serve(servicer) as (server, channel):
        await server.set_ready(True)
        assert (await failure_of(generate(channel).read()))[1:] == ("BAD_FRAME", "too short")


async def test_an_unexpected_error_tells_the_caller_nothing_of_its_inside() -> None:
    servicer = ObedientLm()
    servicer.raising = RuntimeError("the password is swordfish")
    async with serve(servicer) as (server, channel):
        await server.set_ready(True)
        status, reason, details = await failure_of(generate(channel).read())
        assert (status, reason) == ("INTERNAL", "INTERNAL")
        assert "swordfish" not in details


async def test_a_cancelled_call_frees_what_it_holds_wherever_it_was() -> None:
    servicer = ObedientLm()
    async with serve(servicer) as (server, channel):
        await server.set_ready(True)
        call = generate(channel)
        await call.write(lm_pb2.GenerateRequest())
        await call.read()
        assert servicer.open_calls == 1
        call.cancel()
        await servicer.wait_until(lambda: servicer.open_calls == 0)


async def test_draining_lets_an_open_call_finish_and_takes_no_new_one() -> None:
    servicer = ObedientLm()
    async with serve(servicer) as (server, channel):
        await server.set_ready(True)
        call = generate(channel)
        await call.write(lm_pb2.GenerateRequest())
        await call.read()
        draining = asyncio.create_task(server.drain())
        await server.draining.wait()
        await call.write(lm_pb2.GenerateRequest())
        assert (await call.read()).HasField("step")
        await call.done_writing()
        assert (await call.read()).HasField("summary")
        await asyncio.wait_for(draining, 5)
        status, _, _ = await failure_of(model_info(channel))
        assert status == "UNAVAILABLE"


async def test_a_lame_duck_is_not_ready_and_still_takes_calls() -> None:
    async with serve(ObedientLm(), lame_duck_s=60) as (server, channel):
        await server.set_ready(True)
        draining = asyncio.create_task(server.drain())
        await server.draining.wait()
        assert await health_of(channel, "ready") == "NOT_SERVING"
        assert (await model_info(channel)).slots == 3
        draining.cancel()


async def test_what_is_there_when_serving_begins_is_not_gone_through_for_garbage() -> None:
    loaded: list[object] = []
    async with serve(ObedientLm()) as (server, _):
        running = asyncio.create_task(server.run_until_signal())
        await asyncio.sleep(0)
        assert not any(found is loaded for found in gc.get_objects())
        running.cancel()


async def test_a_second_signal_ends_open_calls_at_once() -> None:
    servicer = ObedientLm()
    async with serve(servicer, drain_s=600) as (server, channel):
        await server.set_ready(True)
        running = asyncio.create_task(server.run_until_signal())
        call = generate(channel)
        await call.write(lm_pb2.GenerateRequest())
        await call.read()
        os.kill(os.getpid(), signal.SIGTERM)
        await server.draining.wait()
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(running, 10)
        assert servicer.open_calls == 0


class FloodingLm(lm_pb2_grpc.LmServiceServicer):
    """Says more than anybody reads."""

    def __init__(self) -> None:
        self.handler: asyncio.Task[Any] | None = None
        self.holds_slot = False

    async def Generate(self, request_iterator: Any, context: Any) -> AsyncIterator[Any]:  # type: ignore[override]
        self.handler = asyncio.current_task()
        self.holds_slot = True
        try:
            while True:
                text = frames_pb2.TextPiece(text="x" * 60_000)
                yield lm_pb2.GenerateResponse(step=lm_pb2.GenerateStep(text=text))
        finally:
            self.holds_slot = False


async def test_a_caller_that_reads_nothing_holds_neither_slot_nor_handler() -> None:
    servicer = FloodingLm()
    async with serve(servicer, unread_s=0.2) as (server, channel):
        await server.set_ready(True)
        call = generate(channel)
        await call.write(lm_pb2.GenerateRequest())
        await serving_calls.until(lambda: servicer.holds_slot)
        assert servicer.handler
        await asyncio.wait_for(asyncio.wait((servicer.handler,)), 5)
        assert not servicer.holds_slot
        # Whoever reads at last finds the reason behind what it left unread.
        status, reason, sentence = await serving_calls.failure_of(call)
        assert (status, reason) == ("ABORTED", "SLOW_CONSUMER")
        assert sentence == "nothing was read for 0.2 s: read what comes as it comes"


LOADING = """
import asyncio
from kaiwa_server.serving.server import end_on_signals
async def load():
    end_on_signals()
    print("loading", flush=True)
    await asyncio.to_thread(input)
asyncio.run(load())
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_process_that_is_still_loading(number: int) -> None:
    command = [sys.executable, "-c", LOADING]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout and process.stdout.readline() == b"loading\n"
        process.send_signal(number)
        assert process.wait(10) == 128 + number


async def test_a_taken_port_is_named_with_what_to_do() -> None:
    async with serve(ObedientLm()) as (server, _):
        second = GrpcServer(Config(port=server.port), ["kaiwa.v1.LmService"])
        with pytest.raises(SystemExit, match=f"cannot listen on 127.0.0.1:{server.port}"):
            await second.start()


async def test_an_error_of_the_service_itself_is_handed_on_unchanged() -> None:
    servicer = ObedientLm()
    servicer.raising = errors.ServiceFull("all 8 slots are taken")
    async with serve(servicer) as (server, channel):
        await server.set_ready(True)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await model_info(channel)
        error = as_kaiwa_error(caught.value, errors.LmDown, "LM service", "lm:50053")
        assert (error.status, error.reason, str(error)) == (
            "RESOURCE_EXHAUSTED",
            "FULL",
            "all 8 slots are taken",
        )


async def test_a_service_that_is_gone_is_named_with_its_address() -> None:
    async with serve(ObedientLm()) as (server, channel):
        await server.grpc.stop(0)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await model_info(channel)
        error = as_kaiwa_error(caught.value, errors.LmDown, "LM service", "lm:50053")
        assert (error.status, error.reason) == ("UNAVAILABLE", "LM_DOWN")
        assert "the LM service at lm:50053 is gone" in str(error)


async def nothing() -> AsyncIterator[int]:
    return
    yield


async def never() -> AsyncIterator[int]:
    await asyncio.Event().wait()
    yield 1


async def test_a_call_without_a_first_message_is_told_what_to_send() -> None:
    with pytest.raises(errors.ConfigMissing, match="send the config first"):
        await first_message(nothing())
    with pytest.raises(errors.ConfigTimeout, match=r"within 0\.01 s"):
        await first_message(never(), timeout_s=0.01)
