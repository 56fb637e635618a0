"""The contract's events: what a conversation tells its client beside voice and words."""

from dataclasses import asdict

from kaiwa.v1 import dialogue_pb2, settings_pb2

from kaiwa_server.audio import FRAME_MS
from kaiwa_server.gateway.outputs import (
    AudioReport,
    ContextRolled,
    Flushed,
    FramesConcealed,
    FramesDropped,
    GoingAway,
    Lag,
    Notice,
    RecordingStopped,
    SamplingChanged,
    SpeakingStarted,
    SpeakingStopped,
    VoiceDropped,
)


def event_message(notice: Notice) -> dialogue_pb2.Event:
    """Writes a notice."""
    message = dialogue_pb2.Event(step=notice.step, time_ms=notice.step * FRAME_MS)
    match notice:
        case FramesDropped(_, frames, total_frames):
            message.frames_dropped.frames = frames
            message.frames_dropped.total_frames = total_frames
        case FramesConcealed(_, frames, total_frames):
            message.frames_concealed.frames = frames
            message.frames_concealed.total_frames = total_frames
        case VoiceDropped(_, frames, total_frames):
            message.voice_dropped.frames = frames
            message.voice_dropped.total_frames = total_frames
        case Flushed(_, frames):
            message.flushed.frames = frames
        case Lag(_, lag_ms):
            message.lag.lag_ms = lag_ms
        case SpeakingStarted():
            message.speaking_started.SetInParent()
        case SpeakingStopped():
            message.speaking_stopped.SetInParent()
        case AudioReport():
            message.audio_report.CopyFrom(_audio_report(notice))
        case ContextRolled(_, context_steps):
            message.context_rolled.context_steps = context_steps
        case RecordingStopped():
            message.recording_stopped.SetInParent()
        case SamplingChanged(_, sampling):
            message.sampling_changed.sampling.CopyFrom(settings_pb2.Sampling(**asdict(sampling)))
        case GoingAway(_, grace_ms):
            message.going_away.grace_ms = grace_ms
    return message


def _audio_report(report: AudioReport) -> dialogue_pb2.AudioReport:
    return dialogue_pb2.AudioReport(
        rate_hz=report.rate_hz,
        rms_dbfs=report.rms_dbfs,
        silence_share=report.silence_share,
        clipped_share=report.clipped_share,
    )
