"""Ready for as long as the services behind are."""

import asyncio
import logging

from kaiwa_server.gateway.codec_link import CodecService
from kaiwa_server.serving.server import GrpcServer

CHECK_S = 2.0
CHECK_WHILE_NOT_READY_S = 0.2
# One answer that comes late on a busy machine is no reason to turn clients away.
FAILURES_TO_NOT_READY = 2

log = logging.getLogger(__name__)


async def follow(codec: CodecService, server: GrpcServer) -> None:
    """Makes the gateway ready when the services behind it answer, and not ready when they do not.

    It goes on until the gateway drains, which is not ready for good.
    """
    ready, failures = False, 0
    while True:
        failures = 0 if await codec.is_well() else failures + 1
        if server.draining.is_set():
            return
        if ready and failures >= FAILURES_TO_NOT_READY:
            ready = False
            log.warning("the services behind do not answer: no new sessions until they do")
            await server.set_ready(False)
        elif not ready and failures == 0:
            ready = True
            await server.set_ready(True)
        await asyncio.sleep(CHECK_S if ready else CHECK_WHILE_NOT_READY_S)
