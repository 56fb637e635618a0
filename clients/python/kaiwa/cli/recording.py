"""All that happened in one conversation, as the client saw it."""

from dataclasses import dataclass, field

import numpy as np

from kaiwa.cli.microphone import Recorded
from kaiwa.cli.script import Question
from kaiwa.cli.sound import Samples, lay_frames, silence
from kaiwa.events import Event, FramesConcealed, FramesDropped, Ready, Summary, Text


@dataclass(frozen=True, slots=True)
class HeardFrame:
    """A frame of Moshi's voice: `samples` is float32 [1920]."""

    index: int
    samples: Samples
    audible_s: float
    """When its first sample could sound here, on the monotonic clock."""


@dataclass(slots=True)
class Recording:
    """Grows while the conversation goes on; 12 MB a minute."""

    ready: Ready
    lookahead_samples: int
    questions: tuple[Question, ...] = ()
    spoken: list[Recorded] = field(default_factory=list)
    heard: list[HeardFrame] = field(default_factory=list)
    pieces: list[Text] = field(default_factory=list)
    drops: list[FramesDropped] = field(default_factory=list)
    conceals: list[FramesConcealed] = field(default_factory=list)
    summary: Summary | None = None
    """None in a conversation that was cut off."""

    def note(self, event: Event) -> None:
        """Keeps an event that is not sound, if it is one to be kept."""
        match event:
            case Text():
                self.pieces.append(event)
            case FramesDropped():
                self.drops.append(event)
            case FramesConcealed():
                self.conceals.append(event)
            case Summary():
                self.summary = event

    def user_track(self) -> Samples:
        """Gives all that the user said, float32 [n], from the beginning of the session."""
        if not self.spoken:
            return silence(0)
        return np.concatenate([packet.samples for packet in self.spoken])

    def moshi_track(self) -> Samples:
        """Gives Moshi's voice, float32 [n], on the same clock: frame i at i x 80 ms."""
        frames = [(frame.index, frame.samples) for frame in self.heard]
        return lay_frames(frames, self.lookahead_samples)
