"""The `kaiwa` command as a process."""

import asyncio
import os
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Ran:
    """How it ended, and what it said."""

    code: int | None
    out: str
    err: str


async def start(*arguments: str | Path, server: str) -> asyncio.subprocess.Process:
    """Starts it against a server (host:port)."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "kaiwa", *map(str, arguments)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "KAIWA_SERVER": server, "COLUMNS": "100"},
    )


async def finish(process: asyncio.subprocess.Process) -> Ran:
    """Waits until it has ended."""
    out, err = await process.communicate()
    return Ran(process.returncode, out.decode(), err.decode())


async def kaiwa(*arguments: str | Path, server: str) -> Ran:
    """Runs it from beginning to end."""
    return await finish(await start(*arguments, server=server))
