"""A run on the terminal, as pictures and as JSON."""

import io
import json
from pathlib import Path

from bench.floors import Floor, Speeds
from bench.plots import plot
from bench.results import Agreement, LoadRow, Results, StepRow
from bench.stats import Ratio, StepTimes
from bench.table import show
from bench_tests.any_machine import machine
from rich.console import Console


def step_row(program: str, sessions: int, *, ours: bool) -> StepRow:
    return StepRow(
        model="mimi",
        sessions=sessions,
        program=program,
        ours=ours,
        reduced=False,
        context_filled=1.0,
        times=StepTimes(20.0 * sessions, 25.0 * sessions, 19.0 * sessions, 100),
        round_p50_ms=(20.0,),
        core_share=1.0,
        best_peer="moshi" if ours else None,
        ratio=Ratio(2.1, 2.0, 2.2) if ours else None,
        cpu_ratio=Ratio(2.1, 2.0, 2.2) if ours else None,
        check="640 tokens equal" if ours else "",
        target=2.0 if ours and sessions == 1 else None,
    )


def results(noise: list[str]) -> Results:
    return Results(
        machine(0.1),
        quick=True,
        speeds=Speeds(10.0, 100.0, 200.0),
        floors={"mimi": Floor(70_000_000, 0.86)},
        steps=[
            step_row(name, sessions, ours=name == "ours")
            for sessions in (1, 8)
            for name in ("moshi", "ours")
        ],
        agreements=[Agreement("mimi", "random", "bf16", 640, 0.9, -30.0)],
        loads=[LoadRow("gateway", 32, 5.0, 12.0, 0, 900, {"gateway": 0.5}, target_ms=20.0)],
        noise=noise,
    )


def shown(noise: list[str]) -> str:
    text = io.StringIO()
    show(Console(file=text, width=200), results(noise))
    return text.getvalue()


def test_the_table_has_each_row_beside_its_target() -> None:
    text = shown([])
    assert "2.10 (2.00-2.20)" in text
    assert text.count(" met") == 2
    assert "90.00%" in text
    assert "NOISY" not in text


def test_a_noisy_run_says_why_it_claims_nothing() -> None:
    text = shown(["the load average was 9.00"])
    assert "NOISY" in text
    assert "the load average was 9.00" in text
    assert "not claimed" in text
    assert " met" not in text


def test_the_json_has_every_figure_and_says_whether_it_is_noisy(tmp_path: Path) -> None:
    results(["busy"]).write(tmp_path / "run.json")
    document = json.loads((tmp_path / "run.json").read_text())
    assert document["noisy"]
    assert document["steps"][1]["ratio"]["median"] == 2.1
    assert document["loads"][0]["added_p99_ms"] == 12.0
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_there_is_a_picture_of_each_model_and_one_of_the_live_sessions(tmp_path: Path) -> None:
    paths = plot(results([]), tmp_path, "run")
    assert [path.name for path in paths] == ["run-mimi.png", "run-live.png"]
    assert all(path.stat().st_size > 10_000 for path in paths)
