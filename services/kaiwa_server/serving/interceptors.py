"""The two things that every call passes on its way in: is the service ready, and what if it raises.

`ErrorInterceptor` is the one door through which an error leaves a process: a `KaiwaError` as its
status, its sentence and the trailer `kaiwa-reason`; anything else as INTERNAL, without details.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from typing import Any

import grpc

from kaiwa_server.errors import KaiwaError, SlowConsumer

REASON_TRAILER = "kaiwa-reason"
OWN_METHODS = "/kaiwa."

_FIRST_MESSAGE_S = 1.0

Continuation = Callable[[grpc.HandlerCallDetails], Awaitable[Any]]
Context = grpc.aio.ServicerContext[Any, Any]

log = logging.getLogger(__name__)


class GateInterceptor(grpc.aio.ServerInterceptor):
    """Answers every call of ours with an error for as long as `closed` gives one."""

    def __init__(self, closed: Callable[[], KaiwaError | None]) -> None:
        self._closed = closed

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Any:
        """Lets the call through, or gives it a handler that raises."""
        error = self._closed() if handler_call_details.method.startswith(OWN_METHODS) else None
        if error is None:
            return await continuation(handler_call_details)

        async def refuse(requests: AsyncIterator[Any], _context: Context) -> AsyncIterator[Any]:
            # To a client that is still writing when the call ends, grpc.aio says INTERNAL in place
            # of our error (one refusal in nine, measured): let the first message come.
            with suppress(TimeoutError, StopAsyncIteration):
                async with asyncio.timeout(_FIRST_MESSAGE_S):
                    await anext(requests)
            raise error
            yield

        return grpc.stream_stream_rpc_method_handler(refuse)


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Turns what a handler raises into a status.

    A caller that reads nothing for `unread_s` seconds is not waited for: what its call holds is
    freed, and the status is there for it to find behind all that it left unread.
    """

    def __init__(self, unread_s: float) -> None:
        self._unread_s = unread_s

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Any:
        """Guards the handler if it is one of ours."""
        handler = await continuation(handler_call_details)
        if handler is None or not handler_call_details.method.startswith(OWN_METHODS):
            return handler
        if handler.request_streaming:
            make, behaviour = grpc.stream_stream_rpc_method_handler, handler.stream_stream
            guarded: Any = _guard_stream(behaviour, self._unread_s)
        else:
            make, behaviour = grpc.unary_unary_rpc_method_handler, handler.unary_unary
            guarded = _guard_unary(behaviour)
        return make(guarded, handler.request_deserializer, handler.response_serializer)


def _guard_stream(behaviour: Callable[..., Any], unread_s: float) -> Callable[..., Awaitable[None]]:
    async def guarded(requests: AsyncIterator[Any], context: Context) -> None:
        try:
            # A cancelled call leaves its generator suspended at a yield; aclosing ends it now, not
            # at the next garbage collection, so that what it holds is freed with the call.
            async with aclosing(behaviour(requests, context)) as responses:
                async for response in responses:
                    await _write(context, response, unread_s)
        except Exception as error:
            # The status waits its turn behind what is unread; it is sent even if we leave.
            with suppress(TimeoutError):
                async with asyncio.timeout(unread_s):
                    await _abort(context, error)

    return guarded


async def _write(context: Context, response: Any, unread_s: float) -> None:
    try:
        async with asyncio.timeout(unread_s):
            await context.write(response)
    except TimeoutError:
        raise SlowConsumer(
            f"nothing was read for {unread_s:g} s: read what comes as it comes"
        ) from None


def _guard_unary(behaviour: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    async def guarded(request: Any, context: Context) -> Any:
        try:
            return await behaviour(request, context)
        except Exception as error:
            await _abort(context, error)

    return guarded


async def _abort(context: Context, error: Exception) -> None:
    error = _only_error(error)
    if isinstance(error, grpc.aio.AbortError):
        raise error
    if not isinstance(error, KaiwaError):
        log.error("a call failed", exc_info=error)
        error = KaiwaError("internal error: the service's log has the details")
    await context.abort(
        grpc.StatusCode[error.status], str(error), ((REASON_TRAILER, error.reason),)
    )


def _only_error(error: Exception) -> Exception:
    """The first error of ours inside a task group's errors, or the error itself."""
    if not isinstance(error, ExceptionGroup):
        return error
    inner = [_only_error(each) for each in error.exceptions]
    return next((each for each in inner if isinstance(each, KaiwaError)), inner[0])
