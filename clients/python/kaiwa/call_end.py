"""How a streaming call really ended."""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

import grpc

ENDED = (grpc.aio.AioRpcError, grpc.aio.InternalError, asyncio.InvalidStateError)
"""What writing into a call that has ended raises; why it ended, `CallEnd` knows."""

LATE_WRITE = "Internal error from Core"
LOOK_EVERY_S = 0.01
LOOKS = 100

ResultT = TypeVar("ResultT")


class CallEnd:
    """Keeps the status that the service ended a call with; made when the call is.

    grpc.aio sets the status to INTERNAL, "Internal error from Core", when a message is written just
    after the service has ended the call (https://github.com/grpc/grpc/issues/36066). That may come
    over the service's own status, so the first one is noted; or before it, so it is looked for.
    """

    def __init__(self, call: grpc.aio.Call) -> None:
        self._call = call
        self._known = False
        self._failure: grpc.aio.AioRpcError | None = None
        call.add_done_callback(self._note)

    async def failure(self) -> grpc.aio.AioRpcError | None:
        """Gives the error that the call, which is done, ended with; None for OK."""
        for _ in range(LOOKS):
            self._note(self._call)
            if self._known:
                return self._failure
            await asyncio.sleep(LOOK_EVERY_S)
        nothing = grpc.aio.Metadata()
        return grpc.aio.AioRpcError(grpc.StatusCode.INTERNAL, nothing, nothing, LATE_WRITE)

    def _note(self, call: Any) -> None:
        code, details = _at_once(call.code()), _at_once(call.details())
        if self._known or details == LATE_WRITE:
            return
        if code is not grpc.StatusCode.OK:
            trailers = _at_once(call.trailing_metadata())
            self._failure = grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailers, details)
        self._known = True


def _at_once(answer: Awaitable[ResultT]) -> ResultT:
    # A call that is done answers without waiting.
    try:
        next(answer.__await__())
    except StopIteration as stop:
        result: ResultT = stop.value
        return result
    raise AssertionError("the call is not done")
