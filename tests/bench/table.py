"""A run on the terminal: what it was taken on, each row beside its target, what is wrong."""

from bench.noise import verdict
from bench.results import LoadRow, Results
from bench.stats import Ratio
from rich.console import Console
from rich.table import Table
from rich.text import Text

STEP_COLUMNS = (
    *("model", "sessions", "program", "step p50", "p99", "per session", "CPU"),
    *("x best peer", "by CPU time", "target", "", "check"),
)
LEFT = {"model", "program", "check", "", "what", "weights", "variant", "core taken", "note"}


def show(console: Console, results: Results) -> None:
    """Prints a whole run."""
    _show_machine(console, results)
    if results.steps:
        console.print(_steps(results))
    if results.loads:
        console.print(_loads(results))
    if results.agreements:
        console.print(_agreements(results))
    for note in results.notes:
        console.print(Text(note, style="dim"), soft_wrap=True)
    if results.noise:
        console.print(Text("NOISY: nothing of this run is claimed", style="bold yellow"))
        for reason in results.noise:
            console.print(Text(f"  {reason}", style="yellow"), soft_wrap=True)


def _show_machine(console: Console, results: Results) -> None:
    machine, speeds = results.machine, results.speeds
    caches = ", ".join(f"{name} {size}" for name, size in machine.caches.items())
    lines = [
        f"{machine.cpu}, {machine.cores} cores, core {machine.core} used; {caches}; "
        f"{machine.memory_gb:g} GB",
        f"flags {' '.join(machine.flags) or 'none of interest'}; "
        f"torch takes {machine.torch_capability}",
        ", ".join(f"{name} {version}" for name, version in machine.versions.items()),
        f"commit {machine.commit}, {machine.at}, load average "
        + " ".join(f"{load:.2f}" for load in machine.load_average),
    ]
    if speeds:
        lines.append(
            f"one core reads {speeds.read_gb_s:.1f} GB/s and multiplies matrices at "
            f"{speeds.fp32_gflop_s:.0f} GFLOP/s (fp32), {speeds.bf16_gflop_s:.0f} (bf16)"
        )
    for line in lines:
        console.print(Text(line), soft_wrap=True)


def _steps(results: Results) -> Table:
    table = _table(
        f"one step, all sessions ({'quick' if results.quick else 'full'} run)", STEP_COLUMNS
    )
    for row in results.steps:
        table.add_row(
            row.model,
            str(row.sessions),
            Text(row.program, style="bold" if row.ours else ""),
            f"{row.times.p50_ms:.1f} ms",
            f"{row.times.p99_ms:.1f}",
            f"{row.times.p50_ms / row.sessions:.1f}",
            f"{row.times.cpu_p50_ms:.1f}",
            _ratio(row.ratio),
            _ratio(row.cpu_ratio),
            "" if row.target is None else f"{row.target:g}",
            verdict(row.met, results.noise),
            row.check,
        )
    return table


def _loads(results: Results) -> Table:
    columns = ("what", "sessions", "added p50", "p99", "missed", "core taken", "target", "", "note")
    table = _table("live sessions, added to the floor of 160 ms", columns)
    for row in results.loads:
        table.add_row(
            row.what,
            str(row.sessions),
            f"{row.added_p50_ms:.1f} ms",
            f"{row.added_p99_ms:.1f}",
            f"{row.deadline_misses} of {row.frames}",
            ", ".join(f"{name} {share:.0%}" for name, share in row.core_shares.items()),
            "" if row.target_ms is None else f"{row.target_ms:g} ms",
            verdict(row.met, [*results.noise, *_own_noise(row)]),
            row.note,
        )
    return table


def _own_noise(row: LoadRow) -> list[str]:
    return [row.note] if row.note else []


def _agreements(results: Results) -> Table:
    columns = ("model", "weights", "variant", "tokens", "equal", "sound error")
    table = _table("how near a variant is to fp32", columns)
    for row in results.agreements:
        error = row.sound_error_db
        table.add_row(
            row.model,
            row.weights,
            row.variant,
            str(row.tokens),
            f"{row.equal_share:.2%}",
            "" if error is None else f"{error:.1f} dB",
        )
    return table


def _table(title: str, columns: tuple[str, ...]) -> Table:
    table = Table(title=title, title_justify="left", box=None, header_style="dim", pad_edge=False)
    for column in columns:
        table.add_column(column, justify="left" if column in LEFT else "right", no_wrap=True)
    return table


def _ratio(ratio: Ratio | None) -> str:
    return "" if ratio is None else f"{ratio.median:.2f} ({ratio.p10:.2f}-{ratio.p90:.2f})"
