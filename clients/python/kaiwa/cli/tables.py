"""What one sees after a conversation, and of a server: names and values in columns."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from kaiwa.cli.measure import FLOOR_MS, GOAL_MS, Figures
from kaiwa.cli.recording import Recording
from kaiwa.cli.sound import FRAME_S
from kaiwa.info import ServiceInfo

SHORT_FINGERPRINT = 12
UNREACHABLE = "cannot be reached"


def show_figures(console: Console, recording: Recording, figures: Figures) -> None:
    """Prints how a conversation went."""
    rows = [("model", _named(recording.ready.model_name, recording.ready.model_fingerprint))]
    rows.append(("session", recording.ready.session_id))
    rows.append(("seed", str(recording.ready.seed)))
    summary = recording.summary
    if summary is None:
        rows.append(("frames", f"{len(recording.heard)} heard, then it was cut off"))
    else:
        rows.append(("frames", f"{summary.frames_in} in, {summary.frames_out} out"))
        rows.append(("dropped, late", f"{summary.frames_dropped}, {summary.frames_late}"))
        rows.append(("concealed", str(summary.frames_concealed)))
        lag = _spread(summary.turnaround_p50_ms, summary.turnaround_p99_ms)
        rows.append(("lag in the service", lag))
    p50_ms, p99_ms = figures.mouth_to_ear_p50_ms, figures.mouth_to_ear_p99_ms
    rows.append(("mouth to ear", delay_text(p50_ms, p99_ms, figures.mouth_to_ear_max_ms)))
    rows.append(("underruns", f"{figures.underruns} with a speaker that holds 20 ms"))
    console.print()
    show_rows(console, rows)


def show_speed(console: Console, recording: Recording, took_s: float) -> None:
    """Prints how a rendering went, which took so long."""
    reply_s = len(recording.heard) * FRAME_S
    times = f"{reply_s / took_s:.1f} times as fast as it sounds"
    rows = [
        ("model", _named(recording.ready.model_name, recording.ready.model_fingerprint)),
        ("session", recording.ready.session_id),
        ("seed", str(recording.ready.seed)),
        ("reply", f"{reply_s:.2f} s{'' if recording.summary else ', then it was cut off'}"),
        ("took", f"{took_s:.2f} s: {times}"),
    ]
    console.print()
    show_rows(console, rows)


def show_info(console: Console, info: ServiceInfo) -> None:
    """Prints what is behind a gateway."""
    rows = [
        ("gateway", f"version {info.gateway_version}"),
        ("sessions", f"{info.sessions} open of at most {info.max_sessions}"),
    ]
    if info.lm is None:
        rows.append(("model", UNREACHABLE))
    else:
        lm = info.lm
        context_s = lm.context_steps * 0.08
        rows += [
            ("model", _named(lm.name, lm.fingerprint)),
            ("  context", f"{lm.context_steps} steps ({context_s:g} s)"),
            ("  slots", f"{lm.slots_used} used of {lm.slots}"),
            ("  text tokens", str(lm.text_vocabulary_size)),
            ("  can also", ", ".join(lm.capabilities) or "nothing beyond talking"),
        ]
    if info.codec is None:
        rows.append(("codec", UNREACHABLE))
    else:
        codec = info.codec
        rows += [
            ("codec", _named(codec.name, codec.fingerprint)),
            ("  sound", f"{codec.sample_rate_hz} Hz, frames of {codec.frame_samples} samples"),
            ("  codebooks", f"{codec.codebooks} of {codec.codebook_size} entries"),
            ("  slots", f"{codec.encoder_slots_used} + {codec.decoder_slots_used} used of "
                        f"{codec.slots} + {codec.slots} (encoder + decoder)"),
        ]  # fmt: skip
    show_rows(console, rows)


def show_rows(console: Console, rows: Sequence[tuple[str, str]]) -> None:
    """Prints names and their values in two columns."""
    width = max(len(name) for name, _ in rows) + 2
    for name, value in rows:
        console.print(Text.assemble((name.ljust(width), "dim"), value), soft_wrap=True)


def _named(name: str, fingerprint: str) -> str:
    return f"{name} ({fingerprint[:SHORT_FINGERPRINT]})"


def _spread(p50_ms: float, p99_ms: float) -> str:
    return f"p50 {p50_ms:.0f} ms, p99 {p99_ms:.0f} ms"


def delay_text(p50_ms: float | None, p99_ms: float | None, max_ms: float | None) -> str:
    """Gives mouth to ear in words, beside its floor and its goal."""
    if p50_ms is None or p99_ms is None or max_ms is None:
        return "not measured: no frame was answered"
    spread = f"{_spread(p50_ms, p99_ms)}, max {max_ms:.0f} ms"
    return f"{spread} (floor {FLOOR_MS:.0f}, goal {GOAL_MS:.0f})"
