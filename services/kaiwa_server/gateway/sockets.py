"""A WebSocket's life around a conversation: open it, end it with a word, leave nobody behind."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from aiohttp import WSCloseCode, web

from kaiwa_server.errors import Draining, KaiwaError, SlowConsumer
from kaiwa_server.gateway.origins import Origins

MAX_MESSAGE_BYTES = 65_536
HEARTBEAT_S = 10.0
CLOSE_S = 2.0
MAX_CLOSE_REASON_BYTES = 123  # RFC 6455, section 5.5

Message = bytes | str

_CLOSE_CODES: Final = {
    "RESOURCE_EXHAUSTED": WSCloseCode.TRY_AGAIN_LATER,
    "UNAVAILABLE": WSCloseCode.TRY_AGAIN_LATER,
    "INTERNAL": WSCloseCode.INTERNAL_ERROR,
}

log = logging.getLogger(__name__)


class Socket:
    """One client's WebSocket.

    Args:
        messages: the messages that it sends.
        request: what it opened the WebSocket with.
        unread_s: how long it may leave a message unread.
    """

    def __init__(
        self, messages: web.WebSocketResponse, request: web.Request, unread_s: float
    ) -> None:
        self.messages = messages
        self._request = request
        self._unread_s = unread_s

    async def send(self, message: Message) -> None:
        """Sends a message, text or binary.

        Raises:
            SlowConsumer: the client does not read.
            ConnectionResetError: it has gone.
        """
        # The outbox gives up on such a client first, and frees its slots; this ends the wait here.
        try:
            async with asyncio.timeout(self._unread_s + CLOSE_S):
                await self._write(message)
        except TimeoutError:
            raise SlowConsumer(
                f"nothing was read for {self._unread_s:g} s: read what comes as it comes"
            ) from None

    async def leave(self, code: int, reason: str = "", last_message: Message = b"") -> None:
        """Sends a last message, if there is one, and closes, with or without the client."""
        with suppress(ConnectionResetError, TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                if last_message:
                    await self._write(last_message)
                short = reason.encode()[:MAX_CLOSE_REASON_BYTES].decode(errors="ignore")
                await self.messages.close(code=code, message=short.encode())
                return
        # It reads nothing, or is gone: there is nobody to take leave of.
        if self._request.transport is not None:
            self._request.transport.abort()

    async def _write(self, message: Message) -> None:
        if isinstance(message, str):
            await self.messages.send_str(message)
        else:
            await self.messages.send_bytes(message)


Converse = Callable[[Socket], Awaitable[None]]
ErrorMessage = Callable[[KaiwaError], Message]


class Sockets:
    """The WebSockets that are open in a gateway.

    Args:
        unread_s: how long a client may leave a message unread.
        why_closed: gives the error that answers new conversations now, if they are not taken.
        origins: whose web pages may open one.
    """

    def __init__(
        self, unread_s: float, why_closed: Callable[[], KaiwaError | None], origins: Origins
    ) -> None:
        self._origins = origins
        self._unread_s = unread_s
        self._why_closed = why_closed
        self._open: set[asyncio.Task[None]] = set()

    async def hold(
        self, request: web.Request, converse: Converse, error_message: ErrorMessage
    ) -> web.StreamResponse:
        """Answers a request for a WebSocket with a conversation on it.

        Args:
            request: the request.
            converse: holds the conversation; what it raises is told to the client.
            error_message: gives the last message of a conversation that ended with this error;
                an empty one in a protocol that has none.
        """
        messages = web.WebSocketResponse(
            timeout=CLOSE_S,
            heartbeat=HEARTBEAT_S,
            compress=False,
            max_msg_size=MAX_MESSAGE_BYTES,
            writer_limit=MAX_MESSAGE_BYTES,
        )
        if not messages.can_prepare(request):
            text = f"{request.path} is a WebSocket: connect to it with ws://\n"
            return web.Response(status=426, text=text, headers={"Upgrade": "websocket"})
        refusal = self._origins.refusal(request.headers.get("Origin"), request.host)
        if refusal is not None:
            return web.Response(status=403, text=f"{refusal}\n")
        await messages.prepare(request)
        socket = Socket(messages, request, self._unread_s)
        # A task of its own, so that it can be ended when the gateway stops.
        conversation = asyncio.create_task(self._answer(socket, converse, error_message))
        self._open.add(conversation)
        conversation.add_done_callback(self._open.discard)
        await asyncio.wait((conversation,))
        return messages

    async def stop(self, grace_s: float) -> None:
        """Returns when the open conversations have ended, which they have to after `grace_s`."""
        open_now = set(self._open)
        if open_now:
            await asyncio.wait(open_now, timeout=grace_s)
        for task in open_now:
            task.cancel()
        await asyncio.gather(*open_now, return_exceptions=True)

    async def _answer(
        self, socket: Socket, converse: Converse, error_message: ErrorMessage
    ) -> None:
        try:
            closed = self._why_closed()
            if closed is not None:
                raise closed
            await converse(socket)
            await socket.leave(WSCloseCode.OK)
        except ConnectionResetError:
            pass  # The client has gone; what it held is free.
        except asyncio.CancelledError:
            stopped = Draining("the gateway stops: open a new conversation")
            await _refuse(socket, WSCloseCode.GOING_AWAY, stopped, error_message)
            raise
        except KaiwaError as error:
            code = _CLOSE_CODES.get(error.status, WSCloseCode.POLICY_VIOLATION)
            await _refuse(socket, code, error, error_message)
        except Exception:
            log.exception("a conversation failed")
            failed = KaiwaError("internal error: the service's log has the details")
            await _refuse(socket, WSCloseCode.INTERNAL_ERROR, failed, error_message)


async def _refuse(
    socket: Socket, code: int, error: KaiwaError, error_message: ErrorMessage
) -> None:
    message = error_message(error)
    # Where the protocol has no word for an error, the close has to say it all.
    reason = error.reason if message else f"{error.reason}: {error}"
    await socket.leave(code, reason, message)
