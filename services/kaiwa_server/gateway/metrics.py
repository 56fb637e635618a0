"""What Prometheus is told about conversations."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from kaiwa_server.audio import PcmFrame
from kaiwa_server.errors import BadOgg, BadOpus
from kaiwa_server.gateway.outputs import FramesConcealed, FramesDropped, Output
from kaiwa_server.gateway.seats import Seats
from kaiwa_server.gateway.session import LATE_MS
from kaiwa_server.serving.admissions import Admissions

# A frame is 80 ms: the buckets are close together below it, where a service wants to be.
_TURNAROUND_BUCKETS_S = (0.005, 0.01, 0.02, 0.03, 0.04, 0.06, 0.08, 0.12, 0.16, 0.24, 0.5, 1.0)


class GatewayMetrics:
    """The metrics of a gateway; `call` names the shell, such as Converse or /api/chat."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, registry=registry)

        self._sessions = Gauge(
            "kaiwa_sessions", "Conversations that are open now.", registry=registry
        )
        self._max_sessions = Gauge(
            "kaiwa_max_sessions", "Conversations that fit at once.", registry=registry
        )
        self.admission = Admissions(registry)
        self._ends = counter(
            "kaiwa_session_ends",
            "Conversations that ended, by how: NORMAL, CLIENT_GONE or the reason.",
            "call",
            "result",
        )
        self.frames_in = counter("kaiwa_frames_in", "User frames sent to the codec service.")
        self._frames_out = counter("kaiwa_frames_out", "Frames of Moshi's voice to clients.")
        self._frames_dropped = counter("kaiwa_frames_dropped", "User frames that were left out.")
        self._frames_concealed = counter(
            "kaiwa_frames_concealed", "User frames that were not there in time, and made up."
        )
        self.voice_frames_dropped = counter(
            "kaiwa_voice_frames_dropped", "Frames of Moshi's voice that were left out unread."
        )
        self._frames_late = counter(
            "kaiwa_frames_late",
            "Frames of Moshi's voice that left over 80 ms after the frame they wait for.",
        )
        self._opus_errors = counter(
            "kaiwa_opus_errors", "Conversations that ended on broken Opus or Ogg."
        )
        self._turnaround_s = Histogram(
            "kaiwa_turnaround_seconds",
            "From a complete user frame to the frame of Moshi's voice that leaves on it.",
            buckets=_TURNAROUND_BUCKETS_S,
            registry=registry,
        )

    def on_step(self, outputs: Sequence[Output], turnaround_ms: float | None) -> None:
        """Counts what a step gave."""
        for output in outputs:
            if isinstance(output, PcmFrame):
                self._frames_out.inc()
                if turnaround_ms is not None:
                    self._turnaround_s.observe(turnaround_ms / 1000)
                    self._frames_late.inc(turnaround_ms > LATE_MS)
            elif isinstance(output, FramesDropped):
                self._frames_dropped.inc(output.frames)
            elif isinstance(output, FramesConcealed):
                self._frames_concealed.inc(output.frames)

    def on_end(self, call: str, result: str) -> None:
        """Counts how a conversation ended."""
        self._ends.labels(call, result).inc()
        if result in (BadOpus.reason, BadOgg.reason):
            self._opus_errors.inc()

    def watch(self, seats: Seats) -> None:
        """Reports how many conversations are open from here on."""
        self._sessions.set_function(lambda: seats.taken)
        self._max_sessions.set(seats.seats)
