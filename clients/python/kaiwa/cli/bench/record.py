"""All that is kept of one session, a few numbers for each frame."""

from dataclasses import dataclass, field

from kaiwa.cli.measure import PACKETS_IN_FRAME, Delay, mouth_to_ear
from kaiwa.cli.sound import FRAME_S
from kaiwa.errors import KaiwaError
from kaiwa.events import FramesConcealed, FramesDropped, Ready, Summary


@dataclass(slots=True)
class Record:
    """Grows while the session lasts; times are in seconds of the monotonic clock."""

    ready: Ready | None = None
    started_s: float = 0.0
    """When the first sample was at the microphone."""
    sent_late_ms: list[float] = field(default_factory=list)
    """How late each packet left, against the recording that it stands for."""
    audible_at_s: dict[int, float] = field(default_factory=dict)
    """When each of Moshi's frames, by index, could sound."""
    drops: list[FramesDropped] = field(default_factory=list)
    conceals: list[FramesConcealed] = field(default_factory=list)
    summary: Summary | None = None
    failure: KaiwaError | None = None

    @property
    def refusal(self) -> KaiwaError | None:
        """Why the session was never open."""
        return self.failure if self.ready is None else None

    @property
    def cut(self) -> KaiwaError | None:
        """Why the session ended before it should."""
        return self.failure if self.ready is not None else None

    @property
    def frames_dropped(self) -> int:
        """How many of the user's frames were left out."""
        if self.summary is not None:
            return self.summary.frames_dropped
        return max((drop.total_frames for drop in self.drops), default=0)

    def delays(self) -> list[Delay]:
        """Gives the mouth-to-ear of each frame."""
        frames = len(self.sent_late_ms) // PACKETS_IN_FRAME
        spoken_at_s = [self.started_s + frame * FRAME_S for frame in range(frames)]
        return mouth_to_ear(spoken_at_s, self.audible_at_s, self.drops, self.conceals)
