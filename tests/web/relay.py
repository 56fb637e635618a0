"""A network between a browser and a gateway that can fail."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

from gateway.running_gateway import until


class Relay:
    """Passes the bytes of every connection on, until it is told to fail."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._writers: set[asyncio.StreamWriter] = set()
        self._passing = asyncio.Event()
        self._passing.set()
        self._is_down = False

    @property
    def is_idle(self) -> bool:
        """Whether it has no connection."""
        return not self._writers

    def cut(self) -> None:
        """Breaks every connection and takes no new one."""
        self._is_down = True
        self._passing.set()
        for writer in self._writers:
            writer.transport.abort()

    def stall(self) -> None:
        """Passes nothing on any more, and breaks nothing."""
        self._passing.clear()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Passes one connection on, to its end."""
        if self._is_down:
            writer.transport.abort()
            return
        far_reader, far_writer = await asyncio.open_connection(self._host, self._port)
        ends = {writer, far_writer}
        self._writers |= ends
        ways = (self._pass(reader, far_writer), self._pass(far_reader, writer))
        await asyncio.wait(map(asyncio.create_task, ways), return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.close()
        self._writers -= ends

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65_536):
                await self._passing.wait()
                writer.write(data)
                await writer.drain()


@asynccontextmanager
async def relay_to(url: str) -> AsyncIterator[tuple[Relay, str]]:
    """A relay to this URL, and its own URL."""
    place = urlsplit(url)
    assert place.hostname and place.port
    relay = Relay(place.hostname, place.port)
    server = await asyncio.start_server(relay.take, "127.0.0.1", 0)
    try:
        yield relay, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        relay.cut()
        server.close()
        await until(lambda: relay.is_idle)
