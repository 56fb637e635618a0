"""How long Moshi takes to answer, measured where the user sits.

**Mouth-to-ear of the user's frame t** is the time at which the first sample of Moshi's frame t + 1
can sound here, minus the time at which the first sample of the user's frame t was at the
microphone. Moshi's frame t + 1 is the first that can depend on the user's frame t.

- *At the microphone*: the clock of the recording, real or played from a file. Frame t is the
  user's samples t x 1920 to (t + 1) x 1920.
- *Can sound here*: the frame's message has arrived and is decoded, plus by how much the decoded
  sound is late against what was encoded (the lookahead of Opus, 2.5 ms). No playback buffer is
  counted.
- *Dropped and concealed frames*: when the service left frames of the user out, the frames after
  them are counted on by as many, so that each is still paired with what answers to it; when it made
  some up, they are counted back.

The floor is 160 ms: 80 ms until a frame is full, and 80 ms because Moshi writes most of a frame's
tokens one step later. What is above it is the network, the codec, the model and the queues.

**Underruns** say how even the arrival is. A speaker starts 20 ms after the first frame could sound
and then plays without a gap; each time the next frame is not there, that is an underrun, and the
speaker waits for the frame and 20 ms more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kaiwa.cli.recording import Recording
from kaiwa.cli.sound import FRAME_S, FRAME_SAMPLES, PACKET_SAMPLES
from kaiwa.events import FramesConcealed, FramesDropped

FLOOR_MS = 160.0
GOAL_MS = 200.0
SPEAKER_BUFFER_S = 0.02
PACKETS_IN_FRAME = FRAME_SAMPLES // PACKET_SAMPLES


@dataclass(frozen=True, slots=True)
class Delay:
    """The mouth-to-ear of one frame of the user's."""

    spoken_s: float
    """When the frame began, in seconds from the beginning of the session."""
    mouth_to_ear_ms: float


@dataclass(frozen=True, slots=True)
class Figures:
    """A conversation in numbers; the three delays are None when nothing could be measured."""

    mouth_to_ear_p50_ms: float | None
    mouth_to_ear_p99_ms: float | None
    mouth_to_ear_max_ms: float | None
    underruns: int


def mouth_to_ear(
    spoken_at_s: Sequence[float],
    audible_at_s: Mapping[int, float],
    drops: Sequence[FramesDropped] = (),
    conceals: Sequence[FramesConcealed] = (),
) -> list[Delay]:
    """Pairs each frame of the user's with the first that answers to it.

    `spoken_at_s` is when each of the user's whole frames began, `audible_at_s` when each of Moshi's
    frames (by index) could sound, both on one clock. What the service fills up with silence at the
    end of a talk, instead of waiting for it, is not measured.
    """
    delays = []
    made_up = {conceal.step for conceal in conceals}
    for moshi_frame, audible_s in sorted(audible_at_s.items()):
        # Moshi's frame t + 1 is begun in step t + 1, which is the one that is given frame t, and
        # leaves when the user's frame t + 1 is complete.
        step = moshi_frame
        user_frame = moshi_frame - 1 + _lost(drops, step) - _lost(conceals, step)
        is_answer = moshi_frame > 0 and step not in made_up
        if is_answer and 0 <= user_frame < len(spoken_at_s) - 1:
            spoken_s = spoken_at_s[user_frame]
            delays.append(Delay(spoken_s - spoken_at_s[0], (audible_s - spoken_s) * 1000))
    return delays


def _lost(losses: Sequence[FramesDropped] | Sequence[FramesConcealed], step: int) -> int:
    """How many frames were lost in this way before a step."""
    return max((loss.total_frames for loss in losses if loss.step <= step), default=0)


def underruns(audible_at_s: Sequence[float], buffer_s: float = SPEAKER_BUFFER_S) -> int:
    """Counts how often a speaker that plays these frames, in order, would have run dry."""
    count = 0
    needed_s = float("inf")  # when the speaker needs the next frame
    for number, audible_s in enumerate(audible_at_s):
        if number == 0 or audible_s > needed_s:
            count += number > 0
            needed_s = audible_s + buffer_s
        needed_s += FRAME_S
    return count


def delays_of(recording: Recording) -> list[Delay]:
    """Gives the mouth-to-ear of each frame in a conversation."""
    whole_frames = len(recording.spoken) // PACKETS_IN_FRAME
    frames_at_s = [recording.spoken[t * PACKETS_IN_FRAME].at_s for t in range(whole_frames)]
    audible_at_s = {frame.index: frame.audible_s for frame in recording.heard}
    return mouth_to_ear(frames_at_s, audible_at_s, recording.drops, recording.conceals)


def figures_of(recording: Recording) -> Figures:
    """Gives a conversation in numbers."""
    p50_ms, p99_ms, max_ms = spread([delay.mouth_to_ear_ms for delay in delays_of(recording)])
    count = underruns([frame.audible_s for frame in recording.heard])
    return Figures(p50_ms, p99_ms, max_ms, count)


def spread(values: Sequence[float]) -> tuple[float | None, float | None, float | None]:
    """Gives the median, the 99th percentile and the largest; None where there is no value."""
    if not values:
        return None, None, None
    p50, p99 = np.percentile(values, [50, 99])
    return float(p50), float(p99), max(values)
