"""What a conversation tells its client, before a shell writes it in its own protocol.

Moshi's voice comes among these as `PcmFrame`s, its words as `TextPiece`s.
"""

from dataclasses import dataclass

from kaiwa_server.audio import PcmFrame
from kaiwa_server.journal import TextPiece


@dataclass(frozen=True, slots=True)
class Ready:
    """The conversation is open."""

    session_id: str
    seed: int
    model_name: str
    model_fingerprint: str
    context_steps: int


@dataclass(frozen=True, slots=True)
class FramesDropped:
    """The oldest waiting user frames were left out, before this step."""

    step: int
    frames: int
    total_frames: int


@dataclass(frozen=True, slots=True)
class ContextRolled:
    """From this step on the model forgets the conversation's beginning."""

    step: int
    context_steps: int


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


Output = Ready | PcmFrame | TextPiece | FramesDropped | ContextRolled | GoingAway | Summary
