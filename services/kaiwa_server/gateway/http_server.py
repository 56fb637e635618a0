"""The HTTP side of the gateway's process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web


@asynccontextmanager
async def serving_http(app: web.Application, host: str, port: int) -> AsyncIterator[int]:
    """Serves HTTP until the block ends, and gives the port.

    Raises:
        SystemExit: the port is taken.
    """
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise SystemExit(
                f"cannot listen on {host}:{port} ({error.strerror}): "
                "give another --host or --http-port"
            ) from None
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
