"""A run on the terminal: how the sessions fared, and what each process took for it."""

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table
from rich.text import Text

from kaiwa.cli.bench.figures import DEADLINE_MS, Generator, Overall
from kaiwa.cli.bench.report import Report
from kaiwa.cli.bench.usage import Usage
from kaiwa.cli.exits import IS_IT_RUNNING
from kaiwa.cli.tables import delay_text, show_rows

BYTES_IN_MB = 1_000_000
UNKNOWN = "-"


def show_report(console: Console, errors: Console, report: Report) -> None:
    """Prints a run, and to `errors` what is wrong with it."""
    overall = report.overall
    rows = [("model", report.model)] if report.model is not None else []
    rows += [
        ("sessions", _sessions(report.load.sessions, overall)),
        (
            "frames",
            f"{overall.frames_measured} measured, {overall.frames_dropped} dropped, "
            f"{overall.frames_late} late",
        ),
        ("mouth to ear", _delay(overall)),
        ("deadline misses", f"{overall.deadline_misses} (over {DEADLINE_MS:.0f} ms)"),
        ("sent late", _sent_late(report.generator)),
    ]
    show_rows(console, rows)
    console.print()
    console.print(_processes(report))
    for flaw in report.flaws():
        errors.print(Text.assemble(("not clean: ", "bold yellow"), flaw), soft_wrap=True)
    if "UNREACHABLE" in overall.refused:
        errors.print(Text(IS_IT_RUNNING), soft_wrap=True)


def _sessions(asked: int, overall: Overall) -> str:
    opened = f"{overall.sessions_opened} of {asked} open"
    return f"{opened}, {_counted(overall.refused)} refused, {_counted(overall.cut_off)} cut off"


def _counted(reasons: Mapping[str, int]) -> str:
    if not reasons:
        return "0"
    names = ", ".join(f"{reason} {count}" for reason, count in reasons.items())
    return f"{sum(reasons.values())} ({names})"


def _delay(overall: Overall) -> str:
    p50_ms, p99_ms = overall.mouth_to_ear_p50_ms, overall.mouth_to_ear_p99_ms
    return delay_text(p50_ms, p99_ms, overall.mouth_to_ear_max_ms)


def _sent_late(generator: Generator) -> str:
    p50_ms, p99_ms = generator.sent_late_p50_ms, generator.sent_late_p99_ms
    max_ms = generator.sent_late_max_ms
    if p50_ms is None or p99_ms is None or max_ms is None:
        return "nothing was sent"
    return f"p50 {p50_ms:.1f} ms, p99 {p99_ms:.1f} ms, max {max_ms:.1f} ms"


def _processes(report: Report) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False)
    columns = ("process", "core taken", "memory", "then", "loop", "steps", "step p50", "p99")
    for column in columns:
        is_text = column in ("process", "loop")
        table.add_column(column, justify="left" if is_text else "right", no_wrap=True)
    for service in report.services:
        taken = [service.name, *_taken(service)]
        for loop in service.loops:
            times = (_ms(loop.step_p50_ms), _ms(loop.step_p99_ms))
            table.add_row(*taken, loop.name, str(loop.steps), *times)
            taken = [""] * len(taken)
        if not service.loops:
            table.add_row(*taken)
    table.add_row("generator", *_taken(report.generator))
    return table


def _taken(usage: Usage) -> tuple[str, str, str]:
    cpu = UNKNOWN if usage.cpu_percent is None else f"{usage.cpu_percent:.0f}%"
    return cpu, _mb(usage.resident_begin_bytes), _mb(usage.resident_end_bytes)


def _mb(size_bytes: float | None) -> str:
    return UNKNOWN if size_bytes is None else f"{size_bytes / BYTES_IN_MB:.1f} MB"


def _ms(time_ms: float | None) -> str:
    return UNKNOWN if time_ms is None else f"{time_ms:.1f} ms"
