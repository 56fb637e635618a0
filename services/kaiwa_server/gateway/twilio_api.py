"""Twilio Media Streams, `GET /v1/twilio`: a phone call as a conversation.

Twilio opens a WebSocket for each call that reaches a `<Connect><Stream>`, says in JSON what the
caller says, and plays to the caller what it is sent.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import numpy as np
from aiohttp import WSMsgType, web

from kaiwa_server.audio import PcmFrame
from kaiwa_server.errors import BadRequest, ConfigMissing, ConfigRepeated, KaiwaError
from kaiwa_server.gateway.chat_query import refuse_prompts
from kaiwa_server.gateway.codec_link import CodecLink, CodecService
from kaiwa_server.gateway.formats import Coding, Samples, decoder_of, encoder_of
from kaiwa_server.gateway.host import Host
from kaiwa_server.gateway.inputs import Flush, Input
from kaiwa_server.gateway.outputs import Flushed, Output
from kaiwa_server.gateway.pacing import PACKET_MS, Pacer
from kaiwa_server.gateway.sockets import Socket, Sockets
from kaiwa_server.gateway.twilio_messages import (
    FlushKey,
    Media,
    Message,
    Start,
    Stop,
    clear_message,
    media_message,
    read_message,
)
from kaiwa_server.gateway.twilio_signature import HEADER, TwilioSignature
from kaiwa_server.gateway.websocket_api import settings_message
from kaiwa_server.serving.calls import first_message

PACKET_BYTES = 8 * PACKET_MS  # mu-law at 8 kHz
# -50 dB, as a root mean square: the small model speaks above -45 dB and is silent at -75 dB.
QUIET = 0.003


class TwilioApi:
    """Answers `/v1/twilio`.

    Args:
        codec: the codec service behind.
        host: where the conversations are held.
        sockets: where its WebSockets live.
        start_timeout_s: how long Twilio may take to say that the call's sound begins.
        signature: what tells Twilio from others; without it everybody is answered.
    """

    def __init__(
        self,
        codec: CodecService,
        host: Host,
        sockets: Sockets,
        start_timeout_s: float,
        signature: TwilioSignature | None,
    ) -> None:
        self._codec = codec
        self._host = host
        self._sockets = sockets
        self._start_timeout_s = start_timeout_s
        self._signature = signature

    async def call(self, request: web.Request) -> web.StreamResponse:
        """Holds one phone call."""
        if self._signature and not self._signature.is_of(
            request.host, request.raw_path, request.headers.get(HEADER, "")
        ):
            return web.Response(
                status=403,
                text=f"{HEADER} does not sign wss://{request.host}{request.raw_path} with the auth "
                "token of this gateway: call by that URL, and let a proxy pass Host and path on "
                "as they come\n",
            )
        return await self._sockets.hold(request, self._converse, _error_message)

    async def _converse(self, socket: Socket) -> None:
        messages = _messages(socket.messages)
        start = await first_message(messages, self._start_timeout_s)
        if not isinstance(start, Start):
            raise ConfigMissing("sound came before `start`: send that first")
        refuse_prompts(start.parameters)
        link = CodecLink(self._codec, settings_message(start.parameters))
        inputs = _inputs(messages)
        async with aclosing(self._host.converse("/v1/twilio", link, inputs)) as outputs:
            await _speak(outputs, socket, start.stream_sid)


async def _messages(socket: web.WebSocketResponse) -> AsyncIterator[Message]:
    async for message in socket:
        if message.type is not WSMsgType.TEXT:
            raise BadRequest("a binary message: the messages of this protocol are text")
        read = read_message(message.data)
        if read is not None:
            yield read
        # aiohttp hands over what has come without a pause: others get their turn in between.
        await asyncio.sleep(0)


async def _inputs(messages: AsyncIterator[Message]) -> AsyncIterator[Input]:
    decoder = decoder_of(Coding.MULAW, 0)
    async for message in messages:
        match message:
            case Media(payload):
                yield decoder.decode(payload)
            case FlushKey():
                yield Flush()
            case Start():
                raise ConfigRepeated("a second `start`: one call has one WebSocket")
            case Stop():
                return


async def _speak(outputs: AsyncGenerator[Output, None], socket: Socket, stream_sid: str) -> None:
    """Says to the caller what comes of Moshi's voice, evenly, until the outputs end."""
    pacer, encoder, comes = Pacer(), encoder_of(Coding.MULAW, 0), asyncio.Event()
    try:
        async with asyncio.TaskGroup() as group:
            sending = group.create_task(_send_paced(pacer, comes, socket, stream_sid))
            async for output in outputs:
                match output:
                    case PcmFrame(_, samples):
                        pacer.put(_packets(encoder.encode(samples)), _is_quiet(samples))
                        comes.set()
                    case Flushed():
                        pacer.clear()
                        await socket.send(clear_message(stream_sid))
            # The caller has hung up: what is not said now nobody hears.
            sending.cancel()
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from errors


async def _send_paced(pacer: Pacer, comes: asyncio.Event, socket: Socket, stream_sid: str) -> None:
    clock = asyncio.get_running_loop().time
    while True:
        while (next_s := pacer.next_s(clock())) is None:
            comes.clear()
            await comes.wait()
        await asyncio.sleep(next_s - clock())
        if pacer.next_s(clock()) is None:
            continue  # What waited has been flushed.
        try:
            await socket.send(media_message(stream_sid, pacer.take(clock())))
        except ConnectionResetError:
            return  # The caller has hung up, which ends what is heard too.


def _packets(data: bytes) -> list[bytes]:
    return [data[start : start + PACKET_BYTES] for start in range(0, len(data), PACKET_BYTES)]


def _is_quiet(samples: Samples) -> bool:
    return float(np.sqrt(np.mean(samples**2))) < QUIET


def _error_message(error: KaiwaError) -> str:
    """Gives none: the protocol has no word for an error but the close itself."""
    return ""
