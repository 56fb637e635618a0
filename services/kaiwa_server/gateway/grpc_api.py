"""The gateway's contract over gRPC: the calls of `DialogueService`."""

import importlib.metadata
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc
from kaiwa.v1 import dialogue_pb2, dialogue_pb2_grpc

from kaiwa_server.gateway.codec_link import CodecService
from kaiwa_server.gateway.dialogue_api import Dialogue, Request, Response
from kaiwa_server.gateway.host import Host
from kaiwa_server.gateway.render_api import Renderer

Context = grpc.aio.ServicerContext[Any, Any]


class DialogueServicer(dialogue_pb2_grpc.DialogueServiceServicer):
    """Answers the calls of `DialogueService`."""

    def __init__(
        self, dialogue: Dialogue, renderer: Renderer, codec: CodecService, host: Host
    ) -> None:
        self._dialogue = dialogue
        self._renderer = renderer
        self._codec = codec
        self._host = host

    async def Converse(
        self, request_iterator: AsyncIterator[Request], context: Context
    ) -> AsyncIterator[Response]:
        """Holds one conversation."""
        async with aclosing(self._dialogue.converse("Converse", request_iterator)) as responses:
            async for response in responses:
                yield response

    async def Render(
        self, request_iterator: AsyncIterator[dialogue_pb2.RenderRequest], context: Context
    ) -> AsyncIterator[dialogue_pb2.RenderResponse]:
        """Renders one file."""
        async with aclosing(self._renderer.render(request_iterator)) as responses:
            async for response in responses:
                yield response

    async def GetServiceInfo(
        self, request: dialogue_pb2.GetServiceInfoRequest, context: Context
    ) -> dialogue_pb2.GetServiceInfoResponse:
        """Tells what is here and, if they can be reached, in the services behind."""
        return dialogue_pb2.GetServiceInfoResponse(
            gateway_version=importlib.metadata.version("kaiwa"),
            sessions=self._host.seats.taken,
            max_sessions=self._host.seats.seats,
            codec=await self._codec.info(),
        )
