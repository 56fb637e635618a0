"""A bad network on one machine: a namespace whose link loses packets, and a proxy that jitters."""

import asyncio
import contextlib
import os
import random
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

HERE, THERE = "10.213.47.1", "10.213.47.2"


class NotPermitted(Exception):
    """This machine does not let us make namespaces; the text says why."""


@dataclass(frozen=True)
class Namespace:
    """A network of its own, from which this one is at `HERE`."""

    name: str

    def command(self, *arguments: str) -> list[str]:
        """The command that runs there."""
        return ["ip", "netns", "exec", self.name, *arguments]


@contextlib.contextmanager
def lossy_namespace(loss_percent: int) -> Iterator[Namespace]:
    """A namespace whose link loses so many of the packets in each direction, at random.

    Raises:
        NotPermitted: namespaces or packet filters are not to be had.
    """
    for tool in ("ip", "nft"):
        if shutil.which(tool) is None:
            raise NotPermitted(f"needs {tool}: apt-get install iproute2 nftables")
    space = Namespace(f"kaiwa-{os.getpid()}")
    outer, inner = f"kw{os.getpid()}a", f"kw{os.getpid()}b"
    _run("ip", "netns", "add", space.name)
    try:
        _run("ip", "link", "add", outer, "type", "veth", "peer", inner, "netns", space.name)
        _run("ip", "address", "add", f"{HERE}/24", "dev", outer)
        _run("ip", "link", "set", outer, "up")
        _run("ip", "-n", space.name, "address", "add", f"{THERE}/24", "dev", inner)
        for device in ("lo", inner):
            _run("ip", "-n", space.name, "link", "set", device, "up")
        _run(*space.command("nft", "add", "table", "inet", "loss"))
        for hook in ("input", "output"):
            chain = f"{{ type filter hook {hook} priority 0; }}"
            lose = f"numgen random mod 100 < {loss_percent} drop"
            _run(*space.command("nft", "add", "chain", "inet", "loss", hook, chain))
            _run(*space.command("nft", "add", "rule", "inet", "loss", hook, lose))
        yield space
    finally:
        subprocess.run(["ip", "netns", "delete", space.name], check=True)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise NotPermitted(f"{' '.join(command)}: {done.stderr.strip()}")


@contextlib.asynccontextmanager
async def jittering_proxy(target: str, jitter_s: float, seed: int) -> AsyncIterator[str]:
    """The address of a proxy in front of `target` (host:port) that a namespace can reach.

    What arrives is handed on up to `jitter_s` later, in order, in each direction.
    """
    host, port = target.rsplit(":", 1)
    dice = random.Random(seed)

    calls: set[asyncio.Task[None]] = set()

    async def carry_both_ways(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(_carry(reader, far_writer, dice, jitter_s))
                both.create_task(_carry(far_reader, writer, dice, jitter_s))
        finally:
            for end in (writer, far_writer):
                end.close()
                with contextlib.suppress(ConnectionError):
                    await end.wait_closed()

    def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        calls.add(asyncio.create_task(carry_both_ways(reader, writer)))

    server = await asyncio.start_server(serve, HERE, 0)
    async with server:
        yield f"{HERE}:{server.sockets[0].getsockname()[1]}"
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)


async def _carry(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    dice: random.Random,
    jitter_s: float,
) -> None:
    loop = asyncio.get_running_loop()
    on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def deliver() -> None:
        while True:
            leaves_s, data = await on_the_way.get()
            await asyncio.sleep(leaves_s - loop.time())
            if not data:
                return writer.close()
            writer.write(data)

    async def receive() -> None:
        data = b"more"
        while data:
            try:
                data = await reader.read(65_536)
            except ConnectionError:
                data = b""
            on_the_way.put_nowait((loop.time() + dice.uniform(0, jitter_s), data))

    await asyncio.gather(receive(), deliver())
