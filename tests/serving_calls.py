"""What tests of services share: a server on a port of its own, failures as data, conditions."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from kaiwa.call_end import CallEnd
from kaiwa_server.serving.channels import open_channel
from kaiwa_server.serving.config import ServiceConfig
from kaiwa_server.serving.server import GrpcServer

WAIT_S = 10.0


class AnyPort(ServiceConfig):
    """A config for servers that only a test talks to."""

    port: int = 0
    metrics_port: int = 0


@asynccontextmanager
async def served(
    add_to_server: Callable[[Any, Any], None], servicer: Any
) -> AsyncIterator[tuple[GrpcServer, grpc.aio.Channel]]:
    """A ready server with this servicer, and a channel to it."""
    server = GrpcServer(AnyPort(), [])
    server.add(add_to_server, servicer)
    await server.start()
    await server.set_ready(True)
    try:
        async with open_channel(f"127.0.0.1:{server.port}") as channel:
            yield server, channel
    finally:
        await server.grpc.stop(0)


async def until(condition: Callable[[], bool]) -> None:
    """Returns as soon as the condition holds."""
    async with asyncio.timeout(WAIT_S):
        while not condition():
            await asyncio.sleep(0.002)


async def all_of(call: Any) -> list[Any]:
    """Every response of a call that ends well."""
    async with asyncio.timeout(WAIT_S):
        return [response async for response in call]


async def failure_of(call: Any) -> tuple[str, str, str]:
    """Status, reason and sentence that a call, read to its end, fails with."""
    end = CallEnd(call)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await all_of(call)
    error = await end.failure() or caught.value
    trailers = dict(error.trailing_metadata() or ())
    return error.code().name, trailers.get("kaiwa-reason", ""), error.details() or ""
