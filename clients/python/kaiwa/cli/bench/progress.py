"""What one sees of a load while it lasts: a line that is drawn anew each second."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from kaiwa.cli.bench.load import Load
from kaiwa.cli.bench.record import Record

DRAWN_EVERY_S = 1.0  # a drawing takes some ms of the thread that sends and listens


@contextlib.asynccontextmanager
async def shown_progress(
    console: Console, load: Load, records: Callable[[], Sequence[Record]]
) -> AsyncIterator[None]:
    """Shows how far the sessions are while the block lasts, if there is a terminal."""
    if not console.is_terminal:
        yield
        return
    with Live(console=console, auto_refresh=False, transient=True) as live:
        drawing = asyncio.create_task(_draw(live, load, records))
        try:
            yield
        finally:
            drawing.cancel()


async def _draw(live: Live, load: Load, records: Callable[[], Sequence[Record]]) -> None:
    started_s = time.monotonic()
    while True:
        live.update(picture(load, records(), time.monotonic() - started_s), refresh=True)
        await asyncio.sleep(DRAWN_EVERY_S)


def picture(load: Load, records: Sequence[Record], elapsed_s: float) -> Table:
    """Gives the line: time, a bar, and how many sessions are how far."""
    opened = sum(record.ready is not None for record in records)
    refused = sum(record.refusal is not None for record in records)
    cut_off = sum(record.cut is not None for record in records)
    line = Table.grid(padding=(0, 1))
    line.add_row(
        f"{elapsed_s:3.0f} s",
        ProgressBar(total=load.seconds, completed=min(elapsed_s, load.seconds), width=40),
        f"of {load.seconds:g} s",
        f"{opened} of {load.sessions} open, {refused} refused, {cut_off} cut off",
    )
    return line
