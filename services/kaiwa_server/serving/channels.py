"""Calls to the next service: the channel, and what its errors mean to our own caller."""

import grpc

from kaiwa_server.errors import KaiwaError, Upstream
from kaiwa_server.serving.interceptors import REASON_TRAILER

# Measured together with the server's: a frozen machine is noticed within 6 s, idle calls live on.
_OPTIONS = (
    # A new channel tries at once, though an old one waits because the same address failed it.
    ("grpc.use_local_subchannel_pool", 1),
    # A name that stands for several replicas: sessions go to each of them in turn.
    ("grpc.service_config", '{"loadBalancingConfig": [{"round_robin": {}}]}'),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.dns_min_time_between_resolutions_ms", 5_000),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    ("grpc.http2.lookahead_bytes", 65_536),
    ("grpc.http2.bdp_probe", 0),
)


def open_channel(target: str) -> grpc.aio.Channel:
    """Opens a plaintext channel to `target` (host:port), meant to live as long as the process."""
    return grpc.aio.insecure_channel(target, options=_OPTIONS)


def as_kaiwa_error(
    error: grpc.aio.AioRpcError, down: type[KaiwaError], what: str, target: str
) -> KaiwaError:
    """Gives the error that our own caller should see.

    What the service itself said is handed on unchanged; a call that failed on the way becomes
    `down`, in words that name the service (`what`) and its address.
    """
    trailers = {key: value for key, value in (error.trailing_metadata() or ())}
    reason = trailers.get(REASON_TRAILER)
    if reason is not None:
        return Upstream(error.code().name, str(reason), error.details() or "")
    return down(
        f"the {what} at {target} is gone ({error.code().name}: {error.details()}): "
        "open a new session when it is back"
    )
