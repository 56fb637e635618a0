"""Why a call ended, when the caller was just writing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import grpc
import pytest
from kaiwa.call_end import LATE_WRITE, CallEnd
from kaiwa.v1 import lm_pb2, lm_pb2_grpc
from kaiwa_server.errors import ServiceFull
from serving_calls import served


class FullLm(lm_pb2_grpc.LmServiceServicer):
    """Refuses every call without having read of it."""

    async def Generate(self, request_iterator: Any, context: Any) -> AsyncIterator[Any]:
        raise ServiceFull("all 8 slots are taken")
        yield


async def write_three(call: Any) -> None:
    with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
        for _ in range(3):
            await call.write(lm_pb2.GenerateRequest())


async def test_a_late_write_does_not_hide_why_the_service_ended_the_call() -> None:
    hidden = 0
    add = lm_pb2_grpc.add_LmServiceServicer_to_server
    async with served(add, FullLm()) as (_, channel):
        stub = lm_pb2_grpc.LmServiceStub(channel)
        for _ in range(200):
            call = stub.Generate()
            end = CallEnd(call)
            writing = asyncio.create_task(write_three(call))
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await anext(aiter(call))
            hidden += caught.value.details() == LATE_WRITE
            error = await end.failure()
            assert error is not None
            assert (error.code().name, error.details()) == (
                "RESOURCE_EXHAUSTED",
                "all 8 slots are taken",
            )
            assert ("kaiwa-reason", "FULL") in tuple(error.trailing_metadata() or ())
            await writing
    # Otherwise there is nothing to test, and `CallEnd` can go.
    assert hidden


async def test_what_happened_on_the_way_is_told_as_it_was_seen() -> None:
    channel = grpc.aio.insecure_channel("127.0.0.1:1")
    call = lm_pb2_grpc.LmServiceStub(channel).Generate()
    end = CallEnd(call)
    with pytest.raises(grpc.aio.AioRpcError):
        await anext(aiter(call))
    error = await end.failure()
    assert error is not None and error.code() is grpc.StatusCode.UNAVAILABLE
    await channel.close()
