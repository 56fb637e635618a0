"""What a conversation brings, as plain values: the messages of `kaiwa.v1` stop here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from kaiwa.v1 import dialogue_pb2, settings_pb2

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
    recording_id: str = ""
    """Name of the recording among the service's; empty where nothing is kept."""


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
class FramesConcealed:
    """The user's sound was not there when it was due: frames were made up."""

    step: int
    """The step that heard the last of them."""
    frames: int
    """Frames made up this time."""
    total_frames: int
    """Frames made up since the start."""


@dataclass(frozen=True, slots=True)
class VoiceDropped:
    """More than 400 ms of Moshi's voice waited to be read: the oldest frames were left out."""

    step: int
    """The step of the first of them."""
    frames: int
    """Frames left out this time."""
    total_frames: int
    """Frames left out since the start."""


@dataclass(frozen=True, slots=True)
class Flushed:
    """The answer to `Talk.flush`: the voice after this is new."""

    step: int
    """The step before which it happened."""
    frames: int
    """Frames of Moshi's voice that were left out."""


@dataclass(frozen=True, slots=True)
class Lag:
    """The conversation is more than 240 ms late, or less than 80 ms again."""

    step: int
    """The step that was so late."""
    lag_ms: float
    """How long after its time the newest frame of Moshi's voice left."""


@dataclass(frozen=True, slots=True)
class SpeakingStarted:
    """Moshi's voice can be heard from this step's frame on."""

    step: int


@dataclass(frozen=True, slots=True)
class SpeakingStopped:
    """Moshi's voice can no longer be heard from this step's frame on; told 400 ms later."""

    step: int


@dataclass(frozen=True, slots=True)
class AudioReport:
    """What the first second of the user's sound was like: a wrong format shows here."""

    step: int
    """The step before which it was complete."""
    rate_hz: int
    """Samples in a second of the service's time: about 24,000; 0 if it came too fast to tell."""
    rms_dbfs: float
    """Level in dB of full scale: about -20 for near speech, -120 for silence."""
    silence_share: float
    """Share of it that is silence, from 0 to 1."""
    clipped_share: float
    """Share of its samples that are at full scale, from 0 to 1."""


@dataclass(frozen=True, slots=True)
class ContextRolled:
    """The conversation is longer than the model's context: its beginning is forgotten."""

    step: int
    """The step before which it happened."""
    context_steps: int


@dataclass(frozen=True, slots=True)
class RecordingStopped:
    """The recording could not go on; the conversation does."""

    step: int
    """The step before which it happened."""


@dataclass(frozen=True, slots=True)
class SamplingChanged:
    """The answer to `Talk.sample`: tokens are drawn so from this step on."""

    step: int
    """The first step that is drawn so."""
    text_temperature: float
    text_top_k: int
    audio_temperature: float
    audio_top_k: int


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
    """Frames that were heard from the user, the concealed ones included."""
    frames_out: int
    """Frames that Moshi spoke."""
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
    frames_concealed: int = 0
    """Frames of the user's sound that were not there when they were due, and made up."""
    voice_frames_dropped: int = 0
    """Frames of Moshi's voice that were left out unread."""


Event: TypeAlias = (
    Audio
    | Text
    | FramesDropped
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
    | Summary
)


def read_ready(message: dialogue_pb2.Ready) -> Ready:
    """Gives the values of the message that opens a conversation."""
    return Ready(
        session_id=message.session_id,
        seed=message.seed,
        model_name=message.model_name,
        model_fingerprint=message.model_fingerprint,
        context_steps=message.context_steps,
        recording_id=message.recording_id,
    )


def read_event(
    response: dialogue_pb2.ConverseResponse | dialogue_pb2.RenderResponse, encoding: str
) -> Event | None:
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
        case "frames_concealed":
            concealed = event.frames_concealed
            return FramesConcealed(event.step, concealed.frames, concealed.total_frames)
        case "voice_dropped":
            unread = event.voice_dropped
            return VoiceDropped(event.step, unread.frames, unread.total_frames)
        case "flushed":
            return Flushed(event.step, event.flushed.frames)
        case "lag":
            return Lag(event.step, event.lag.lag_ms)
        case "speaking_started":
            return SpeakingStarted(event.step)
        case "speaking_stopped":
            return SpeakingStopped(event.step)
        case "audio_report":
            return _read_report(event.step, event.audio_report)
        case "context_rolled":
            return ContextRolled(event.step, event.context_rolled.context_steps)
        case "recording_stopped":
            return RecordingStopped(event.step)
        case "sampling_changed":
            return _read_sampling(event.step, event.sampling_changed.sampling)
        case "going_away":
            return GoingAway(event.step, event.going_away.grace_ms)
        case _:
            return None


def _read_sampling(step: int, sampling: settings_pb2.Sampling) -> SamplingChanged:
    return SamplingChanged(
        step=step,
        text_temperature=sampling.text_temperature,
        text_top_k=sampling.text_top_k,
        audio_temperature=sampling.audio_temperature,
        audio_top_k=sampling.audio_top_k,
    )


def _read_report(step: int, report: dialogue_pb2.AudioReport) -> AudioReport:
    return AudioReport(
        step=step,
        rate_hz=report.rate_hz,
        rms_dbfs=report.rms_dbfs,
        silence_share=report.silence_share,
        clipped_share=report.clipped_share,
    )


def _read_summary(message: dialogue_pb2.Summary) -> Summary:
    return Summary(
        frames_in=message.frames_in,
        frames_out=message.frames_out,
        frames_dropped=message.frames_dropped,
        frames_late=message.frames_late,
        turnaround_p50_ms=message.turnaround_p50_ms,
        turnaround_p99_ms=message.turnaround_p99_ms,
        seed=message.seed,
        frames_concealed=message.frames_concealed,
        voice_frames_dropped=message.voice_frames_dropped,
    )
