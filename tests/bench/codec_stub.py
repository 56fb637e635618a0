"""A codec service without a model, as a process: it says again, at once, what it hears.

    python -m bench.codec_stub

It prints the address it listens at, and ends with its input.
"""

import asyncio
import sys

import uvloop
from gateway.fake_codec import FakeCodecServer


async def serve() -> None:
    """Serves until nobody holds the other end of the input."""
    server = FakeCodecServer()
    await server.start()
    sys.stdout.write(server.address + "\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    await server.die()


if __name__ == "__main__":
    uvloop.run(serve())
