"""How a streaming call really ended.

When a server ends a call while the client still writes, grpc.aio may overwrite the status that has
arrived by "INTERNAL: Internal error from Core" (grpc/grpc#36066, not yet released as fixed in
1.85): in most of the calls that a server refuses at once, measured. The status is right at the
moment the call is done, and is remembered from there.
"""

from collections.abc import Coroutine
from typing import Any, TypeVar

import grpc

T = TypeVar("T")


class TrueStatus:
    """Watches a call from its start; gives the error that it really ended with."""

    def __init__(self, call: Any) -> None:
        self._failure: grpc.aio.AioRpcError | None = None
        call.add_done_callback(self._note)

    def of(self, error: grpc.aio.AioRpcError) -> grpc.aio.AioRpcError:
        """The error that stands behind `error`, which the call raised."""
        return self._failure or error

    def _note(self, call: Any) -> None:
        code = _done(call.code())
        if self._failure is None and code is not grpc.StatusCode.OK:
            self._failure = grpc.aio.AioRpcError(
                code,
                _done(call.initial_metadata()),
                _done(call.trailing_metadata()),
                _done(call.details()),
                _done(call.debug_error_string()),
            )


def _done(answer: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that has nothing to wait for: those of a call that is done."""
    try:
        answer.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    answer.close()
    raise RuntimeError("the call is not done")
