"""`kaiwa bench` as people run it: a process, a fake service, real metrics endpoints."""

import asyncio
import io
import json
import signal
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from clients.python.command_process import finish, kaiwa, start
from clients.python.fake_dialogue import FakeDialogue, seats
from kaiwa.cli.bench.load import Load
from kaiwa.cli.bench.progress import picture
from kaiwa.cli.bench.record import Record
from kaiwa.errors import KaiwaError
from kaiwa.events import Ready
from prometheus_client import CollectorRegistry, Histogram, ProcessCollector, start_http_server
from rich.console import Console

Serve = Callable[[FakeDialogue], Awaitable[str]]


@pytest.fixture
def lm_metrics() -> Iterator[str]:
    """The metrics of an LM service that has made a step of 15 ms, at host:port."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    bounds = (0.01, 0.02)
    seconds = Histogram("kaiwa_step_seconds", "-", ("loop",), buckets=bounds, registry=registry)
    seconds.labels("lm").observe(0.015)
    server, thread = start_http_server(0, addr="127.0.0.1", registry=registry)
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def expected_code(document: dict[str, Any]) -> int:
    """What a run without another flaw ends with: a busy machine makes the generator late."""
    return 1 if document["generator"]["is_late"] else 0


async def test_a_run_leaves_a_table_and_every_figure_as_json(
    serve: Serve, lm_metrics: str, tmp_path: Path
) -> None:
    server, path = await serve(FakeDialogue()), tmp_path / "run.json"
    ran = await kaiwa(
        *("bench", "--sessions", "2", "--seconds", "1", "--metrics", lm_metrics, "--json", path),
        server=server,
    )
    document = json.loads(path.read_text())
    assert ran.code == expected_code(document), ran.err
    assert document["clean"] == (ran.err == "")
    assert document["load"] == {"server": server, "sessions": 2, "seconds": 1.0}
    assert (document["model"], document["interrupted"]) == ("fake-moshi", False)
    overall = document["overall"]
    assert overall["frames_measured"] == 2 * 11  # 1 s is 12 whole frames
    assert (overall["frames_dropped"], overall["frames_late"]) == (0, 2)
    assert (overall["refused"], overall["cut_off"]) == ({}, {})
    assert document["generator"]["cpu_percent"] > 0
    (lm,) = document["services"]
    assert (lm["name"], lm["address"], lm["loops"][0]["steps"]) == ("lm", lm_metrics, 0)
    assert lm["cpu_percent"] >= 0 and lm["resident_end_bytes"] > 1e6

    lines = [line.rstrip() for line in ran.out.splitlines()]
    assert lines[0] == f"2 sessions with {server} for 1 s"
    assert "sessions         2 of 2 open, 0 refused, 0 cut off" in lines
    assert "frames           22 measured, 0 dropped, 2 late" in lines
    assert any(line.startswith("generator  ") for line in lines)
    assert lines[-1] == f"kept {path}"
    assert "\x1b" not in ran.out


async def test_a_run_that_is_not_clean_says_why_and_has_its_figures(
    serve: Serve, tmp_path: Path
) -> None:
    server, path = await serve(FakeDialogue(before_ready=seats(1))), tmp_path / "run.json"
    ran = await kaiwa("bench", "--sessions", "3", "--seconds", "1", "--json", path, server=server)
    assert ran.code == 1
    assert "not clean: 2 sessions refused: FULL: every slot is taken: try later\n" in ran.err
    document = json.loads(path.read_text())
    assert (document["clean"], document["overall"]["refused"]) == (False, {"FULL": 2})
    assert document["overall"]["frames_measured"] == 11


async def test_nobody_there_says_what_to_do(unused_tcp_port: int) -> None:
    ran = await kaiwa("bench", server=f"127.0.0.1:{unused_tcp_port}")
    assert ran.code == 1
    assert "1 session refused: UNREACHABLE: no connection to 127.0.0.1:" in ran.err
    assert "kaiwa-serve starts one" in ran.err and "not measured" in ran.out


async def test_ctrl_c_ends_the_sessions_politely_with_the_figures_so_far(
    serve: Serve, tmp_path: Path
) -> None:
    fake, path = FakeDialogue(), tmp_path / "run.json"
    process = await start("bench", "--sessions", "2", "--json", path, server=await serve(fake))
    while len(fake.packets) < 40:
        await asyncio.sleep(0.01)
    process.send_signal(signal.SIGINT)
    ran = await finish(process)
    assert ran.code == 130
    assert "2 of 2 open, 0 refused, 0 cut off" in ran.out
    document = json.loads(path.read_text())
    assert document["interrupted"] and document["overall"]["frames_measured"] > 0
    assert document["overall"]["cut_off"] == {}


async def test_a_second_ctrl_c_does_not_wait_for_a_service_that_hangs(serve: Serve) -> None:
    fake = FakeDialogue(hang_at=2)
    process = await start("bench", server=await serve(fake))
    while len(fake.packets) < 12:
        await asyncio.sleep(0.01)
    process.send_signal(signal.SIGINT)
    await fake.half_closed.wait()
    process.send_signal(signal.SIGINT)
    ran = await finish(process)
    assert ran.code == 130 and "Traceback" not in ran.err


async def test_what_is_missing_is_found_out_before_anybody_is_called(
    serve: Serve, tmp_path: Path, unused_tcp_port: int
) -> None:
    fake = FakeDialogue()
    server = await serve(fake)
    nobody = f"127.0.0.1:{unused_tcp_port}"
    ran = await kaiwa("bench", "--metrics", nobody, server=server)
    assert ran.code == 1 and ran.err.startswith(f"error: no metrics at http://{nobody}/metrics:")
    ran = await kaiwa("bench", "--json", tmp_path / "nowhere" / "run.json", server=server)
    assert ran.code == 1 and "there is no folder" in ran.err
    ran = await kaiwa("bench", "--metrics", "localhost", server=server)
    assert ran.code == 2 and "NAME=HOST:PORT" in ran.err
    assert fake.configs == []


async def test_help_has_a_sentence_and_an_example() -> None:
    ran = await kaiwa("bench", "--help", server="127.0.0.1:1")
    assert ran.code == 0 and "  kaiwa bench --sessions 8 --seconds 60" in ran.out


def test_progress_says_how_many_sessions_are_how_far() -> None:
    gone = KaiwaError("UNAVAILABLE", "LM_DOWN", "gone")
    ready = Ready("s-1", 7, "fake-moshi", "ab" * 32, 3000)
    records = [Record(), Record(ready), Record(failure=gone), Record(ready, failure=gone)]
    console = Console(file=io.StringIO(), width=120, record=True)
    console.print(picture(Load("host:1", sessions=4, seconds=30), records, elapsed_s=12.0))
    text = console.export_text()
    assert text.startswith(" 12 s ") and "of 30 s" in text
    assert "2 of 4 open, 1 refused, 1 cut off" in text
