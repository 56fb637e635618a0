"""A server that refuses a call while the client is still writing into it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from kaiwa.true_status import TrueStatus

REASON = ("kaiwa-reason", "FULL")


class Refusing(grpc.GenericRpcHandler):
    """Reads one message of any call and aborts it."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        async def refuse(requests: AsyncIterator[bytes], context: Any) -> None:
            await anext(requests)
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "all taken", (REASON,))

        return grpc.stream_stream_rpc_method_handler(refuse)


@pytest.fixture
async def channel() -> AsyncIterator[grpc.aio.Channel]:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Refusing(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel
    await server.stop(0)


async def write_until_it_fails(call: Any) -> None:
    try:
        for _ in range(50):
            await call.write(bytes(7_680))
            await asyncio.sleep(0)
    except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
        pass


async def test_the_servers_own_status_is_heard_however_the_writes_race(
    channel: grpc.aio.Channel,
) -> None:
    for _ in range(50):
        call = channel.stream_stream("/any/method")()
        status = TrueStatus(call)
        writing = asyncio.create_task(write_until_it_fails(call))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            while True:
                assert await call.read() is not grpc.aio.EOF
        error = status.of(caught.value)
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert error.details() == "all taken"
        assert REASON in tuple(error.trailing_metadata() or ())
        await writing


async def test_a_call_that_has_not_ended_keeps_its_error(channel: grpc.aio.Channel) -> None:
    call = channel.stream_stream("/any/method")()
    status = TrueStatus(call)
    error = grpc.aio.AioRpcError(
        grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata(), details="away"
    )
    assert status.of(error) is error
    call.cancel()
