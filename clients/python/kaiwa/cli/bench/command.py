"""`kaiwa bench`: a load on the terminal."""

import asyncio
import json

import typer
from rich.console import Console

from kaiwa.cli import options
from kaiwa.cli.bench.endpoint import Endpoint, read_endpoint
from kaiwa.cli.bench.load import Load
from kaiwa.cli.bench.run import run_load
from kaiwa.cli.bench.table import show_report
from kaiwa.cli.exits import FAILED, INTERRUPTED, exit_on_errors
from kaiwa.cli.save import Outputs, write_text


def bench(
    server: options.Server = options.DEFAULT_SERVER,
    sessions: options.Sessions = 1,
    seconds: options.Seconds = 30.0,
    metrics: options.Metrics = None,
    json_file: options.FiguresFile = None,
) -> None:
    """Hold many live sessions at once and measure how the service bears it.

    Each session is a full-duplex talk in real time over a connection of its own: Opus packets of
    20 ms, the questions that come with Kaiwa and pauses of 5 s, over and over. The packets are
    encoded beforehand, and the sessions are spread over a frame of 80 ms.

    **Mouth to ear** is that of `kaiwa talk`, over all frames of all sessions. A **deadline miss**
    is a frame that comes more than 80 ms above the floor of 160 ms. **Sent late** is how late this
    process was with its own packets: over 10 ms (p99), it has a part in the delays that it
    measures.

    With the metrics of the services, what each of them took of a core and of memory is measured
    too, and how long the steps of its loops took. kaiwa-serve has them at the ports 9464 to 9466.

    When sessions were refused or cut off, frames were dropped or this process was late, the run is
    not clean: it says why, and the exit status is 1. Ctrl-C ends the sessions politely; the figures
    so far are shown and written, and the exit status is 130. A second Ctrl-C does not wait.

    **Examples**

    ```
    kaiwa bench
    kaiwa bench --sessions 8 --seconds 60 --json run.json
    kaiwa bench --sessions 4 --metrics localhost:9464 --metrics codec=10.0.0.7:9465
    taskset -c 0 kaiwa bench --sessions 32 --server voice.example.org:50051
    ```
    """
    load, endpoints = Load(server, sessions, seconds), _endpoints(metrics or [])
    console = Console()
    with exit_on_errors():
        Outputs(json=json_file).check()
        report = asyncio.run(run_load(load, endpoints, console))
        show_report(console, Console(stderr=True), report)
        if json_file is not None:
            write_text(json_file, json.dumps(report.document(), indent=2) + "\n")
            console.print("kept", str(json_file), highlight=False, soft_wrap=True)
    if report.interrupted:
        raise typer.Exit(INTERRUPTED)
    if report.flaws():
        raise typer.Exit(FAILED)


def _endpoints(texts: list[str]) -> list[Endpoint]:
    try:
        return [read_endpoint(text) for text in texts]
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--metrics") from None
