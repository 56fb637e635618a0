"""Live for as long as the models step."""

import asyncio
import logging
from collections.abc import Callable

from kaiwa_server.serving.server import GrpcServer

CHECK_S = 2.0

log = logging.getLogger(__name__)


async def follow(server: GrpcServer, healthy: Callable[[], bool], check_s: float = CHECK_S) -> None:
    """Says under the health name `live` whether `healthy` holds, until it is cancelled.

    Whoever runs the process is expected to start it anew when it does not.
    """
    live = True
    while True:
        if healthy() != live:
            live = not live
            await server.set_live(live)
            if not live:
                log.error("steps hang or fail one after another: this process is no longer live")
        await asyncio.sleep(check_s)
