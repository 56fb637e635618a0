from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import grpc
import pytest
from clients.python.fake_dialogue import FakeDialogue
from kaiwa.v1 import dialogue_pb2_grpc

Serve = Callable[[FakeDialogue], Awaitable[str]]


@asynccontextmanager
async def serving(dialogue: FakeDialogue) -> AsyncIterator[str]:
    server = grpc.aio.server()
    dialogue_pb2_grpc.add_DialogueServiceServicer_to_server(dialogue, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Serves a fake on a real port until the test ends, and gives host:port."""
    async with AsyncExitStack() as servers:
        yield lambda dialogue: servers.enter_async_context(serving(dialogue))
