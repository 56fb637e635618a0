"""What a conversation tells its client, before a shell writes it in its own protocol.

Moshi's voice comes among these as `PcmFrame`s, its words as `TextPiece`s.
"""

from dataclasses import dataclass

from kaiwa_server.audio import PcmFrame
from kaiwa_server.journal import Sampling, TextPiece


@dataclass(frozen=True, slots=True)
class Ready:
    """The conversation is open."""

    session_id: str
    seed: int
    model_name: str
    model_fingerprint: str
    context_steps: int
    recording_id: str = ""


@dataclass(frozen=True, slots=True)
class FramesDropped:
    """The oldest waiting user frames were left out, before this step."""

    step: int
    frames: int
    total_frames: int


@dataclass(frozen=True, slots=True)
class FramesConcealed:
    """User frames were not there when they were due, and made up, before this step."""

    step: int
    frames: int
    total_frames: int


@dataclass(frozen=True, slots=True)
class VoiceDropped:
    """The oldest unread frames of Moshi's voice were left out, the first of them of this step."""

    step: int
    frames: int
    total_frames: int


@dataclass(frozen=True, slots=True)
class Flushed:
    """What waited of Moshi's voice was left out, as the client asked."""

    step: int
    frames: int


@dataclass(frozen=True, slots=True)
class Lag:
    """The conversation is no longer in time, or in time again."""

    step: int
    lag_ms: float


@dataclass(frozen=True, slots=True)
class SpeakingStarted:
    """Moshi's voice can be heard from this step's frame on."""

    step: int


@dataclass(frozen=True, slots=True)
class SpeakingStopped:
    """Moshi's voice can no longer be heard from this step's frame on."""

    step: int


@dataclass(frozen=True, slots=True)
class AudioReport:
    """What the first second of the user's sound was like; see the contract's `AudioReport`."""

    step: int
    rate_hz: int
    rms_dbfs: float
    silence_share: float
    clipped_share: float


@dataclass(frozen=True, slots=True)
class ContextRolled:
    """From this step on the model forgets the conversation's beginning."""

    step: int
    context_steps: int


@dataclass(frozen=True, slots=True)
class RecordingStopped:
    """The recording could not go on before this step; the conversation does."""

    step: int


@dataclass(frozen=True, slots=True)
class SamplingChanged:
    """From this step on tokens are drawn so, as the client asked."""

    step: int
    sampling: Sampling


@dataclass(frozen=True, slots=True)
class GoingAway:
    """The gateway is draining."""

    step: int
    grace_ms: int


@dataclass(frozen=True, slots=True)
class Summary:
    """How a conversation went; the fields are those of the contract's `Summary`."""

    frames_in: int
    frames_out: int
    frames_dropped: int
    frames_late: int
    turnaround_p50_ms: float
    turnaround_p99_ms: float
    seed: int
    frames_concealed: int
    voice_frames_dropped: int


# What the contract calls an event.
Notice = (
    FramesDropped
    | FramesConcealed
    | VoiceDropped
    | Flushed
    | Lag
    | SpeakingStarted
    | SpeakingStopped
    | AudioReport
    | ContextRolled
    | RecordingStopped
    | SamplingChanged
    | GoingAway
)
Output = Ready | PcmFrame | TextPiece | Notice | Summary
