"""One live call through the project's own client, at the pace of a real one."""

import time
from dataclasses import dataclass

from kaiwa.cli.coder import OpusCoder
from kaiwa.cli.conversation import Conversation
from kaiwa.cli.recording import Recording
from kaiwa.cli.sound import Samples
from kaiwa.client import Settings, connect
from kaiwa.events import Audio, Event, Summary, Text
from kaiwa.opus import OpusEncoder

from kaiwa_training.evaluation.caller import Asked, Caller
from kaiwa_training.evaluation.errors import EvaluationError
from kaiwa_training.evaluation.pace import Metronome, PacedMicrophone


@dataclass(frozen=True)
class HeldCall:
    """A call that ended as it should."""

    recording: Recording
    summary: Summary
    asked: tuple[Asked, ...]
    sent_late_s: float
    """By how much the latest packet left too late here."""


class CallerCoder:
    """Opus both ways, as the client's own, with a bit rate of the caller's choice."""

    def __init__(self, bitrate_bps: int) -> None:
        self._standard = OpusCoder()
        self._encoder = OpusEncoder(bitrate_bps=bitrate_bps)
        self.lookahead_samples = self._standard.lookahead_samples

    def encode(self, samples: Samples) -> bytes:
        """Gives the packet of 20 ms."""
        return self._encoder.encode(samples)

    def decode(self, audio: Audio) -> Samples:
        """Gives the frame's samples, float32 [1920]."""
        return self._standard.decode(audio)


class CallerEars:
    """Passes Moshi's words on to the caller."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def spoke(self, spoken_s: float) -> None:
        """Nothing: the caller knows how much was said."""

    def heard(self, event: Event) -> None:
        """Takes what came from the service."""
        if isinstance(event, Text):
            self._caller.hear(event)


async def hold_call(
    target: str, caller: Caller, metronome: Metronome, *, seed: int, bitrate_bps: int
) -> HeldCall:
    """Calls the gateway at `target` and talks until the caller hangs up.

    Raises:
        KaiwaError: the call failed.
    """
    coder = CallerCoder(bitrate_bps)
    async with connect(target, settings=Settings(seed=seed)) as talk:
        recording = Recording(talk.ready, coder.lookahead_samples)
        microphone = PacedMicrophone(caller, metronome)
        ears = CallerEars(caller)
        await Conversation(talk, microphone, coder, recording, ears, clock=time.monotonic).hold()
    if recording.summary is None:
        raise EvaluationError("a call ended without its summary")
    return HeldCall(recording, recording.summary, tuple(caller.asked), microphone.latest_s)
