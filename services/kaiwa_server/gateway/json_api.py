"""`GET /v1/converse`: the contract over a WebSocket, for what speaks no gRPC, such as a browser.

A text message is a ConverseRequest or ConverseResponse in the contract's own JSON mapping. A binary
message is the `data` of an InputAudio or OutputAudio alone. What gRPC has around its messages is
written so: an empty binary message is the half-close; an error is a last text message,
`{"error": {"status": ..., "reason": ..., "message": ...}}`, and the close code after it.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import aclosing

from aiohttp import WSMsgType, web
from google.protobuf import json_format
from kaiwa.v1 import dialogue_pb2

from kaiwa_server.errors import BadJson, KaiwaError
from kaiwa_server.gateway.dialogue_api import Dialogue, Request, Response
from kaiwa_server.gateway.sockets import Message, Socket, Sockets

# A message of the contract has a few levels; a parser's stack should not depend on who sends.
MAX_NESTING = 16
MAX_ERROR_CHARACTERS = 300

# What is no bracket of the structure: strings, the last of which may be cut off.
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"?', re.DOTALL)


class JsonApi:
    """Answers `/v1/converse`.

    Args:
        dialogue: where its conversations are held.
        sockets: where its WebSockets live.
    """

    def __init__(self, dialogue: Dialogue, sockets: Sockets) -> None:
        self._dialogue = dialogue
        self._sockets = sockets

    async def converse(self, request: web.Request) -> web.StreamResponse:
        """Holds one conversation."""
        return await self._sockets.hold(request, self._converse, _error_message)

    async def _converse(self, socket: Socket) -> None:
        requests = _requests(socket.messages)
        async with aclosing(self._dialogue.converse("/v1/converse", requests)) as responses:
            async for response in responses:
                await socket.send(_message(response))


async def _requests(messages: web.WebSocketResponse) -> AsyncIterator[Request]:
    async for message in messages:
        if message.type is WSMsgType.TEXT:
            yield request_of(message.data)
        elif message.type is WSMsgType.BINARY:
            if not message.data:
                return
            yield Request(audio=dialogue_pb2.InputAudio(data=message.data))
        # aiohttp hands over what has come without a pause: others get their turn in between.
        await asyncio.sleep(0)


def request_of(text: str) -> Request:
    """Gives the message that a text is.

    Raises:
        BadJson: it is none.
    """
    if _nesting(text) > MAX_NESTING:
        raise BadJson(f"more than {MAX_NESTING} brackets are open at once: no message needs them")
    try:
        return json_format.Parse(text, Request())
    except json_format.ParseError as error:
        raise BadJson(f"not a ConverseRequest in JSON: {error}"[:MAX_ERROR_CHARACTERS]) from None


def _nesting(text: str) -> int:
    """Gives how many brackets are open at once, at most."""
    deepest = depth = 0
    for character in _STRING.sub("", text):
        if character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest


def _message(response: Response) -> Message:
    if response.HasField("audio"):
        return response.audio.data
    return json_format.MessageToJson(
        response, indent=None, always_print_fields_with_no_presence=True
    )


def _error_message(error: KaiwaError) -> str:
    told = {"status": error.status, "reason": error.reason, "message": str(error)}
    return json.dumps({"error": told})
