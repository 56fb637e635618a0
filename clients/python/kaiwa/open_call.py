"""A call that is a conversation, whichever it is: its messages out, its events in, its errors."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Generic, TypeAlias, TypeVar

import grpc

from kaiwa.call_end import CallEnd
from kaiwa.errors import KaiwaError, error_of
from kaiwa.events import Event, Ready, Summary, read_event, read_ready
from kaiwa.v1 import dialogue_pb2

RequestT = TypeVar("RequestT", dialogue_pb2.ConverseRequest, dialogue_pb2.RenderRequest)
Response: TypeAlias = dialogue_pb2.ConverseResponse | dialogue_pb2.RenderResponse


class OpenCall(Generic[RequestT]):
    """One side writes, the other reads, in two tasks or in one.

    Args:
        call: the call, of grpc.aio; its types are not those that it has at run time.
        target: host:port of the gateway, for the texts of errors.
        encoding: what Moshi's voice comes in.
    """

    def __init__(self, call: Any, target: str, encoding: str) -> None:
        self._call = call
        self._end = CallEnd(call)
        self._responses = aiter(call)
        self._target = target
        self._encoding = encoding
        self._summary_read = False

    async def open(self, config: RequestT, within_s: float) -> Ready:
        """Sends the config and gives what the service says when it has opened the conversation.

        Raises:
            KaiwaError: it refuses, or does not answer in time.
        """
        try:
            async with asyncio.timeout(within_s):
                await self.write(config)
                response = await self._read()
        except TimeoutError:
            text = f"{self._target} did not answer within {within_s:g} s"
            raise KaiwaError("DEADLINE_EXCEEDED", "NO_ANSWER", text) from None
        if response is None or response.WhichOneof("response") != "ready":
            text = f"{self._target} did not open the conversation: is it a Kaiwa gateway?"
            raise KaiwaError("UNKNOWN", "NO_ANSWER", text)
        return read_ready(response.ready)

    async def write(self, request: RequestT) -> None:
        """Sends a message, as soon as there is room for it.

        Raises:
            KaiwaError: the call has failed or ended.
        """
        try:
            await self._call.write(request)
            return
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            pass
        except asyncio.CancelledError:
            if _is_cancelled():
                raise
        text = "the conversation has ended: nothing more can be sent"
        failure = await self._end.failure()
        raise error_of(failure, self._target) if failure else KaiwaError("OK", "ENDED", text)

    async def end(self) -> None:
        """Half-closes."""
        # Raised when the call has just ended; why is told to the one who listens.
        with contextlib.suppress(grpc.aio.InternalError):
            await self._call.done_writing()

    async def next_event(self) -> Event:
        """Gives the next event; the last one of a normal end is `Summary`.

        Raises:
            StopAsyncIteration: that was read.
            KaiwaError: the call failed or was cut off.
        """
        while (response := await self._read()) is not None:
            event = read_event(response, self._encoding)
            if event is not None:
                self._summary_read |= isinstance(event, Summary)
                return event
        if not self._summary_read:
            text = f"{self._target} cut the conversation off: it ended without a summary"
            raise KaiwaError("UNKNOWN", "NO_SUMMARY", text)
        raise StopAsyncIteration

    async def _read(self) -> Response | None:
        """Gives the next message, or None once the call has ended with OK."""
        response: Response | None
        try:
            response = await anext(self._responses, None)
        except grpc.aio.AioRpcError:
            response = None
        except asyncio.CancelledError:
            if _is_cancelled():
                raise
            response = None
        if response is None and (failure := await self._end.failure()) is not None:
            raise error_of(failure, self._target)
        return response


def _is_cancelled() -> bool:
    """Whether this very task is; grpc.aio raises CancelledError also when the call alone is."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
