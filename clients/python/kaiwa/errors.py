"""The one error of the client: what went wrong, in words that say what to do."""

import grpc

REASON_TRAILER = "kaiwa-reason"


class KaiwaError(Exception):
    """A call failed; the text is the service's own sentence.

    Reasons that the client itself gives:

        UNREACHABLE   UNAVAILABLE        nobody answers at the address, or the connection was lost
        NO_ANSWER     DEADLINE_EXCEEDED  the service took the call and said nothing in time
        NO_SUMMARY    UNKNOWN            the conversation was cut off without its summary
        CANCELLED     CANCELLED          the call was cancelled here
        ENDED         OK                 something was sent after the conversation had ended
    """

    def __init__(self, status: str, reason: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        """Name of the gRPC status, for instance RESOURCE_EXHAUSTED."""
        self.reason = reason
        """The exact cause, for instance FULL: what a program should branch on."""


def error_of(failure: grpc.aio.AioRpcError, target: str) -> KaiwaError:
    """Gives the error that a failed call to `target` stands for."""
    status = failure.code().name
    text = failure.details() or f"the call to {target} ended with {status}"
    trailers = failure.trailing_metadata() or ()
    reasons = [str(value) for name, value in trailers if name == REASON_TRAILER]
    if not reasons and status == "UNAVAILABLE":
        # Before the cause come the addresses that were tried, sometimes in brackets.
        cause = text.rsplit(": ", 1)[-1].removesuffix("]")
        return KaiwaError(status, "UNREACHABLE", f"no connection to {target}: {cause}")
    if not reasons and status == "UNIMPLEMENTED":
        text = f"{target} is not a Kaiwa gateway of this version: its gRPC port is 50051 by default"
    return KaiwaError(status, reasons[0] if reasons else status, text)
