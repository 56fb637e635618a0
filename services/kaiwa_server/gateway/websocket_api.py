"""Kyutai's WebSocket protocol, `GET /api/chat`: what the clients of Moshi's own server speak.

A message is binary; its first byte is its kind. The sound of each direction is one continuous
Ogg-Opus stream, cut anywhere.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing, suppress
from typing import Final

from aiohttp import WSCloseCode, WSMsgType, web
from kaiwa.v1.settings_pb2 import SessionSettings

from kaiwa_server.audio import PcmFrame
from kaiwa_server.errors import BadRequest, BadSettings, KaiwaError, SlowConsumer
from kaiwa_server.gateway.chat_query import settings_of
from kaiwa_server.gateway.codec_link import CodecLink, CodecService
from kaiwa_server.gateway.config import GatewayConfig
from kaiwa_server.gateway.formats import OggOpusDecoder, OggOpusEncoder, Samples
from kaiwa_server.gateway.host import Host
from kaiwa_server.gateway.outputs import Output, Ready, Summary
from kaiwa_server.journal import TextPiece

MAX_MESSAGE_BYTES = 65_536
HEARTBEAT_S = 10.0
CLOSE_S = 2.0

_HANDSHAKE, _AUDIO, _TEXT, _ERROR = b"\x00", b"\x01", b"\x02", b"\x05"
_CLOSE_CODES: Final = {
    "RESOURCE_EXHAUSTED": WSCloseCode.TRY_AGAIN_LATER,
    "UNAVAILABLE": WSCloseCode.TRY_AGAIN_LATER,
    "INTERNAL": WSCloseCode.INTERNAL_ERROR,
}

log = logging.getLogger(__name__)


class WebSocketApi:
    """Answers `/api/chat`.

    Args:
        config: how patient to be.
        codec: the codec service behind.
        host: where the conversations are held.
        why_closed: gives the error that answers new conversations now, if they are not taken.
    """

    def __init__(
        self,
        config: GatewayConfig,
        codec: CodecService,
        host: Host,
        why_closed: Callable[[], KaiwaError | None],
    ) -> None:
        self._config = config
        self._codec = codec
        self._host = host
        self._why_closed = why_closed
        self._open: set[asyncio.Task[None]] = set()

    def app(self) -> web.Application:
        """Gives the HTTP side of the gateway."""
        app = web.Application()
        app.router.add_get("/", self.welcome)
        app.router.add_get("/api/chat", self.chat)
        return app

    async def stop(self, grace_s: float) -> None:
        """Returns when the open conversations have ended, which they have to after `grace_s`."""
        open_now = set(self._open)
        if open_now:
            await asyncio.wait(open_now, timeout=grace_s)
        for task in open_now:
            task.cancel()
        await asyncio.gather(*open_now, return_exceptions=True)

    async def welcome(self, request: web.Request) -> web.Response:
        """Says what this port is to those who look at it with a browser."""
        return web.Response(
            text="This is Kaiwa's gateway.\n"
            f"Clients of Moshi's WebSocket protocol connect to ws://{request.host}/api/chat\n"
            f"gRPC is on port {self._config.port}.\n"
        )

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """Holds one conversation."""
        socket = web.WebSocketResponse(
            timeout=CLOSE_S,
            heartbeat=HEARTBEAT_S,
            compress=False,
            max_msg_size=MAX_MESSAGE_BYTES,
            writer_limit=MAX_MESSAGE_BYTES,
        )
        if not socket.can_prepare(request):
            text = "/api/chat is a WebSocket: connect to it with a client of Moshi's protocol\n"
            return web.Response(status=426, text=text, headers={"Upgrade": "websocket"})
        await socket.prepare(request)
        # A task of its own, so that it can be ended when the gateway stops.
        conversation = asyncio.create_task(self._answer(socket, request))
        self._open.add(conversation)
        conversation.add_done_callback(self._open.discard)
        await asyncio.wait((conversation,))
        return socket

    async def _answer(self, socket: web.WebSocketResponse, request: web.Request) -> None:
        try:
            await self._converse(socket, request)
            await self._leave(socket, request, WSCloseCode.OK)
        except ConnectionResetError:
            pass  # The client has gone; what it held is free.
        except asyncio.CancelledError:
            await self._leave(socket, request, WSCloseCode.GOING_AWAY, b"DRAINING")
            raise
        except KaiwaError as error:
            await self._refuse(socket, request, error)
        except Exception:
            log.exception("a conversation failed")
            internal = KaiwaError("internal error: the service's log has the details")
            await self._refuse(socket, request, internal)

    async def _converse(self, socket: web.WebSocketResponse, request: web.Request) -> None:
        closed = self._why_closed()
        if closed is not None:
            raise closed
        link = CodecLink(self._codec, _settings(request.query))
        encoder, decoder = OggOpusEncoder(secrets.randbits(32)), OggOpusDecoder()
        sounds = _sounds(socket, decoder)
        conversation = self._host.converse("/api/chat", link, sounds, guess=decoder.conceal)
        async with aclosing(conversation) as outputs:
            async for output in outputs:
                message = _message(output, encoder)
                if message:
                    await self._send(socket, message)

    async def _send(self, socket: web.WebSocketResponse, message: bytes) -> None:
        # The outbox gives up on such a client first, and frees its slots; this ends the wait here.
        try:
            async with asyncio.timeout(self._config.unread_s + CLOSE_S):
                await socket.send_bytes(message)
        except TimeoutError:
            raise SlowConsumer(
                f"nothing was read for {self._config.unread_s:g} s: read what comes as it comes"
            ) from None

    async def _refuse(
        self, socket: web.WebSocketResponse, request: web.Request, error: KaiwaError
    ) -> None:
        code = _CLOSE_CODES.get(error.status, WSCloseCode.POLICY_VIOLATION)
        text = f"{error.reason}: {error}".encode()
        await self._leave(socket, request, code, error.reason.encode(), _ERROR + text)

    async def _leave(
        self,
        socket: web.WebSocketResponse,
        request: web.Request,
        code: int,
        reason: bytes = b"",
        last_message: bytes = b"",
    ) -> None:
        with suppress(ConnectionResetError, TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                if last_message:
                    await socket.send_bytes(last_message)
                await socket.close(code=code, message=reason)
                return
        # It reads nothing, or is gone: there is nobody to take leave of.
        if request.transport is not None:
            request.transport.abort()


def _settings(query: Mapping[str, str]) -> SessionSettings:
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
