"""Channels to the next service."""

import socket

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from kaiwa_server.serving.channels import open_channel
from kaiwa_server.serving.server import GrpcServer
from serving_calls import AnyPort


async def test_a_new_channel_does_not_wait_because_an_old_one_failed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    request = health_pb2.HealthCheckRequest()
    async with open_channel(f"127.0.0.1:{port}") as old:
        with pytest.raises(grpc.aio.AioRpcError, match="refused"):
            await health_pb2_grpc.HealthStub(old).Check(request)
        server = GrpcServer(AnyPort(port=port), [])
        await server.start()
        try:
            async with open_channel(f"127.0.0.1:{port}") as new:
                await health_pb2_grpc.HealthStub(new).Check(request)
        finally:
            await server.grpc.stop(0)
