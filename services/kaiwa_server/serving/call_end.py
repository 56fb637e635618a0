"""How a call to another service really ended."""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

import grpc

ENDED = (grpc.aio.AioRpcError, grpc.aio.InternalError, asyncio.InvalidStateError)
"""What writing to a call that has ended raises; why it ended is known where the call is read."""

LATE_WRITE = "Internal error from Core"
LOOK_EVERY_S = 0.005
LOOKS = 100

ResultT = TypeVar("ResultT")


class CallEnd:
    """Keeps the error that a service ended a call with.

    A message that is written just when the service ends the call makes grpc.aio say INTERNAL,
    "Internal error from Core" (https://github.com/grpc/grpc/issues/36066). It may say so over the
    service's own status, which is therefore noted when it comes, or before it, which is waited for.
    """

    def __init__(self, call: grpc.aio.Call) -> None:
        self._call = call
        self._error: grpc.aio.AioRpcError | None = None
        call.add_done_callback(self._note)

    async def error(self, seen: grpc.aio.AioRpcError) -> grpc.aio.AioRpcError:
        """Gives the service's own error where `seen` is grpc's; `seen` if there is none."""
        if seen.details() != LATE_WRITE:
            return seen
        for _ in range(LOOKS):
            self._note(self._call)
            if self._error:
                return self._error
            await asyncio.sleep(LOOK_EVERY_S)
        return seen

    def _note(self, call: Any) -> None:
        code, details = _at_once(call.code()), _at_once(call.details())
        if self._error or details == LATE_WRITE:
            return
        trailers = _at_once(call.trailing_metadata())
        self._error = grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailers, details)


def _at_once(answer: Awaitable[ResultT]) -> ResultT:
    # A call that is done answers without waiting.
    steps = answer.__await__()
    try:
        next(steps)
    except StopIteration as stop:
        result: ResultT = stop.value
        return result
    raise AssertionError("the call is not done")
