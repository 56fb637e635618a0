"""What a conversation brings, as plain values: the messages of `kaiwa.v1` stop here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from kaiwa.v1 import dialogue_pb2

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PCM_FRAME_SAMPLES = (640, 1_280, 1_920, 3_840)  # at 8, 16, 24 and 48 kHz


@dataclass(frozen=True, slots=True)
class Ready:
    """The conversation is open and may be spoken into."""

    session_id: str
    """Name of the session in the service's logs and metrics."""
    seed: int
    """The seed in force, given or chosen."""
    model_name: str
    model_fingerprint: str
    """SHA-256 of the model's weights, as 64 hexadecimal digits."""
    context_steps: int
    """How many steps of 80 ms the model remembers."""


@dataclass(frozen=True, slots=True)
class Audio:
    """The next frame of Moshi's voice: 80 ms."""

    frame_index: int
    """Number of the frame, from 0 without gaps."""
    data: bytes
    """One Opus packet, one Ogg page, or samples, as the conversation was opened."""
    encoding: str = "pcm"
    """The conversation's encoding."""

    def samples(self) -> NDArray[np.float32]:
        """The frame as float32 [n] in [-1, 1], in a conversation that was opened with "pcm".

        It has 1920 samples at 24 kHz.

        Raises:
            ValueError: the data is not samples of 32-bit floats; `kaiwa.opus.OpusDecoder` decodes
                packets, `kaiwa.g711.G711` mu-law and A-law.
        """
        import numpy as np

        if self.encoding != "pcm" or len(self.data) / 4 not in PCM_FRAME_SAMPLES:
            raise ValueError(
                f"{len(self.data)} bytes of {self.encoding} are not a frame of 32-bit floats: "
                "decode Opus packets with kaiwa.opus.OpusDecoder, G.711 with kaiwa.g711.G711"
            )
        return np.frombuffer(self.data, dtype="<f4").astype(np.float32)


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of Moshi's words, slightly ahead of the voice."""

    text: str
    """The piece, without the space that may stand before it."""
    starts_word: bool
    """Whether a new word starts here; if not, the piece goes on with the last word."""
    step: int
    """The step that wrote it, from 0."""
    time_ms: int
    """The step's time on the session's clock: step x 80."""


@dataclass(frozen=True, slots=True)
class FramesDropped:
    """The user's sound came faster than it could be heard: the oldest frames were left out."""

    step: int
    """The step before which it happened."""
    frames: int
    """Frames left out this time."""
    total_frames: int
    """Frames left out since the start."""


@dataclass(frozen=True, slots=True)
class ContextRolled:
    """The conversation is longer than the model's context: its beginning is forgotten."""

    step: int
    """The step before which it happened."""
    context_steps: int


@dataclass(frozen=True, slots=True)
class GoingAway:
    """The service is going away: finish soon, or open a new conversation."""

    step: int
    """The step before which it happened."""
    grace_ms: int
    """How long the conversation may still last."""


@dataclass(frozen=True, slots=True)
class Summary:
    """How the conversation went: the last event of one that ended normally."""

    frames_in: int
    """Frames of the user's sound that were heard."""
    frames_out: int
    """Frames of Moshi's voice that were sent."""
    frames_dropped: int
    """Frames of the user's sound that were left out."""
    frames_late: int
    """Frames of Moshi's voice that left more than 80 ms after the frame they wait for."""
    turnaround_p50_ms: float
    """From a complete user frame to the frame of Moshi's voice that leaves on it: median."""
    turnaround_p99_ms: float
    """The same: 99th percentile."""
    seed: int
    """The seed that was in force."""


Event: TypeAlias = Audio | Text | FramesDropped | ContextRolled | GoingAway | Summary


def read_ready(message: dialogue_pb2.Ready) -> Ready:
    """Gives the values of the message that opens a conversation."""
    return Ready(
        session_id=message.session_id,
        seed=message.seed,
        model_name=message.model_name,
        model_fingerprint=message.model_fingerprint,
        context_steps=message.context_steps,
    )


def read_event(response: dialogue_pb2.ConverseResponse, encoding: str) -> Event | None:
    """Gives the values of any later message of a conversation in this encoding.

    None for a kind that this client does not know.
    """
    match response.WhichOneof("response"):
        case "audio":
            return Audio(response.audio.frame_index, response.audio.data, encoding)
        case "text":
            text = response.text
            return Text(text.text, text.starts_word, text.step, text.time_ms)
        case "event":
            return _read_notice(response.event)
        case "summary":
            return _read_summary(response.summary)
        case _:
            return None


def _read_notice(event: dialogue_pb2.Event) -> Event | None:
    match event.WhichOneof("event"):
        case "frames_dropped":
            dropped = event.frames_dropped
            return FramesDropped(event.step, dropped.frames, dropped.total_frames)
        case "context_rolled":
            return ContextRolled(event.step, event.context_rolled.context_steps)
        case "going_away":
            return GoingAway(event.step, event.going_away.grace_ms)
        case _:
            return None


def _read_summary(message: dialogue_pb2.Summary) -> Summary:
    return Summary(
        frames_in=message.frames_in,
        frames_out=message.frames_out,
        frames_dropped=message.frames_dropped,
        frames_late=message.frames_late,
        turnaround_p50_ms=message.turnaround_p50_ms,
        turnaround_p99_ms=message.turnaround_p99_ms,
        seed=message.seed,
    )
