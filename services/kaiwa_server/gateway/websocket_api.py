"""Kyutai's WebSocket protocol, `GET /api/chat`: what the clients of Moshi's own server speak.

A message is binary; its first byte is its kind. The sound of each direction is one continuous
Ogg-Opus stream, cut anywhere.

A prompt is passed over, as Moshi's own server does, but not in silence: the client is told by a
message of metadata, and the log has a line. Some clients, such as LiveKit's plugin, cannot leave
prompts out. An operator may have them refused instead.
"""

import asyncio
import json
import logging
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing

from aiohttp import WSMsgType, web
from kaiwa.v1.settings_pb2 import SessionSettings

from kaiwa_server.audio import PcmFrame
from kaiwa_server.errors import BadRequest, BadSettings, KaiwaError
from kaiwa_server.gateway.chat_query import prompts_of, refuse_prompts, settings_of
from kaiwa_server.gateway.codec_link import CodecLink, CodecService
from kaiwa_server.gateway.formats import OggOpusDecoder, OggOpusEncoder, Samples
from kaiwa_server.gateway.host import Host
from kaiwa_server.gateway.outputs import Output, Ready, Summary
from kaiwa_server.gateway.sockets import Socket, Sockets
from kaiwa_server.journal import TextPiece

_HANDSHAKE, _AUDIO, _TEXT, _METADATA, _ERROR = b"\x00", b"\x01", b"\x02", b"\x04", b"\x05"

log = logging.getLogger(__name__)


class WebSocketApi:
    """Answers `/api/chat`.

    Args:
        codec: the codec service behind.
        host: where the conversations are held.
        sockets: where its WebSockets live.
        takes_prompts: whether a client may send a prompt that is not followed.
    """

    def __init__(
        self, codec: CodecService, host: Host, sockets: Sockets, takes_prompts: bool
    ) -> None:
        self._takes_prompts = takes_prompts
        self._codec = codec
        self._host = host
        self._sockets = sockets

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """Holds one conversation."""

        async def converse(socket: Socket) -> None:
            await self._converse(socket, request.query)

        return await self._sockets.hold(request, converse, _error_message)

    async def _converse(self, socket: Socket, query: Mapping[str, str]) -> None:
        if not self._takes_prompts:
            refuse_prompts(query)
        link = CodecLink(self._codec, settings_message(query))
        encoder, decoder = OggOpusEncoder(secrets.randbits(32)), OggOpusDecoder()
        sounds = _sounds(socket.messages, decoder)
        conversation = self._host.converse("/api/chat", link, sounds, guess=decoder.conceal)
        async with aclosing(conversation) as outputs:
            async for output in outputs:
                message = _message(output, encoder)
                if message:
                    await socket.send(message)
                if isinstance(output, Ready) and (prompts := prompts_of(query)):
                    log.warning("%s: not followed by the loaded model", ", ".join(prompts))
                    await socket.send(_METADATA + json.dumps({"not_followed": prompts}).encode())


def settings_message(query: Mapping[str, str]) -> SessionSettings:
    """Gives what a query asks of the model.

    Raises:
        BadSettings: a value is not a number, or far outside its limits.
    """
    try:
        return SessionSettings(**settings_of(query))  # type: ignore[arg-type]
    except ValueError as error:
        raise BadSettings(f"a setting is far outside its limits: {error}") from None


async def _sounds(socket: web.WebSocketResponse, decoder: OggOpusDecoder) -> AsyncIterator[Samples]:
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            raise BadRequest("a text message: the messages of this protocol are binary")
        if message.type is WSMsgType.BINARY and message.data[:1] == _AUDIO:
            yield decoder.decode(message.data[1:])
            # aiohttp hands over what has come without a pause: others get their turn in between.
            await asyncio.sleep(0)
        if decoder.ended:
            return


def _message(output: Output, encoder: OggOpusEncoder) -> bytes:
    """The message of an output; none of one that the protocol has no word for."""
    match output:
        case Ready():
            return _HANDSHAKE
        case PcmFrame(_, samples):
            return _AUDIO + encoder.encode(samples)
        case TextPiece(_, text, starts_word):
            return _TEXT + (" " * starts_word + text).encode()
        case Summary():
            return _AUDIO + encoder.end()
        case _:
            return b""


def _error_message(error: KaiwaError) -> bytes:
    return _ERROR + f"{error.reason}: {error}".encode()
