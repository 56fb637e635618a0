"""A run as pictures: step time against sessions, with the peers and what cannot be beaten."""

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

from bench.noise import verdict
from bench.results import LoadRow, Results, StepRow
from bench.targets import GATEWAY_ADDED_P99_MS
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

FRAME_MS = 80.0
DPI = 130
FLOOR, BUDGET = "#b0b0b0", "#c0392b"
PEERS = ("#777777", "#b08d57")
WIDTHS = (("fp32", 4, (0, (5, 3))), ("bf16", 2, (0, (1, 2))), ("int8", 1, (0, (1, 5))))
"""Floors: what weights are kept in, bytes of each, the line's dashes."""

OURS = ("#1f6fb2", "#2a9d8f", "#8e5ea2", "#d98324")


def plot(results: Results, folder: Path, stem: str) -> list[Path]:
    """Writes a picture of each model and one of the live sessions, and gives their files."""
    drawn: dict[str, Figure] = {}
    for model in dict.fromkeys(row.model for row in results.steps):
        drawn[model] = draw_steps(results, model)
    if results.loads:
        drawn["live"] = draw_loads(results.loads)
    paths = []
    for name, figure in drawn.items():
        paths.append(folder / f"{stem}-{name.replace(' ', '-')}.png")
        figure.savefig(paths[-1], dpi=DPI)
    return paths


def draw_steps(results: Results, model: str) -> Figure:
    """A model's steps: a line for each program, the floors dashed, a frame's 80 ms across."""
    figure, axes = _figure()
    rows = [row for row in results.steps if row.model == model]
    for ours, colors in ((False, PEERS), (True, OURS)):
        programs = dict.fromkeys(row.program for row in rows if row.ours == ours)
        for program, color in zip(programs, cycle(colors), strict=False):
            own = [row for row in rows if row.program == program]
            _draw_program(axes, program, own, color)
    sessions = sorted({row.sessions for row in rows})
    _draw_floors(axes, results, model, range(1, sessions[-1] + 1))
    axes.axhline(FRAME_MS, color=BUDGET, linewidth=1, label="a frame, 80 ms")
    axes.set_yscale("log")
    axes.set_xticks(sessions)
    noisy = "   noisy: no claim" if verdict(True, results.noise) != "met" else ""
    axes.set_title(f"{model} on one core of {results.machine.cpu}{noisy}", loc="left", fontsize=11)
    axes.set_xlabel("sessions in a step")
    axes.set_ylabel("step, ms (median; bar to p99)")
    axes.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def draw_loads(loads: Sequence[LoadRow]) -> Figure:
    """What live sessions wait for above the floor."""
    figure, axes = _figure()
    for what, color in zip(dict.fromkeys(row.what for row in loads), OURS, strict=False):
        own = [row for row in loads if row.what == what]
        sessions = [row.sessions for row in own]
        axes.plot(
            sessions, [row.added_p99_ms for row in own], "o-", color=color, label=f"{what}, p99"
        )
        axes.plot(
            sessions, [row.added_p50_ms for row in own], "o:", color=color, label=f"{what}, p50"
        )
    axes.axhline(GATEWAY_ADDED_P99_MS, color=BUDGET, linewidth=1, label="the gateway's target, p99")
    axes.set_yscale("log")
    axes.set_title("live sessions", loc="left", fontsize=11)
    axes.set_xlabel("sessions at once")
    axes.set_ylabel("mouth to ear above 160 ms, ms")
    axes.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def _draw_program(axes: Axes, program: str, rows: Sequence[StepRow], color: str) -> None:
    sessions, medians = [row.sessions for row in rows], [row.times.p50_ms for row in rows]
    above = [max(0.0, row.times.p99_ms - row.times.p50_ms) for row in rows]
    spread = [[0.0] * len(rows), above]
    marker = "o-" if rows[0].ours else "s-"
    axes.errorbar(
        sessions,
        medians,
        yerr=spread,
        fmt=marker,
        color=color,
        capsize=3,
        markersize=5,
        label=program,
    )


def _draw_floors(axes: Axes, results: Results, model: str, sessions: Sequence[int]) -> None:
    speeds, floor = results.speeds, results.floors.get(model)
    if speeds is None or floor is None:
        return
    for name, width, dash in WIDTHS:
        times = [floor.step_ms(count, width, speeds) for count in sessions]
        axes.plot(sessions, times, color=FLOOR, linestyle=dash, label=f"floor, {name}")


def _figure() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(9, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e4e4e4", linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes
