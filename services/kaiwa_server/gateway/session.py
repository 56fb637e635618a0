"""One conversation without I/O: sound in, frames to the codec, steps back, outputs to the client.

Time comes in as an argument, in seconds of any clock that only goes forward.
"""

import math
from collections import deque
from dataclasses import dataclass

import numpy as np

from kaiwa_server.audio import FRAME_MS, FRAME_SAMPLES, PcmFrame
from kaiwa_server.errors import HoldTooLong
from kaiwa_server.gateway.concealment import Concealment, Guess
from kaiwa_server.gateway.fast_input import FastInput
from kaiwa_server.gateway.first_second import FirstSecond
from kaiwa_server.gateway.lag import LagWatch
from kaiwa_server.gateway.live_input import LiveInput
from kaiwa_server.gateway.losses import Losses
from kaiwa_server.gateway.outputs import (
    ContextRolled,
    FramesConcealed,
    FramesDropped,
    Lag,
    Notice,
    Output,
    SamplingChanged,
    Summary,
)
from kaiwa_server.gateway.pace import Pace
from kaiwa_server.gateway.speech import SpeechActivity
from kaiwa_server.gateway.turnaround import Turnaround
from kaiwa_server.gateway.user_sound import HeardFrame, Samples, UserSound
from kaiwa_server.journal import Journal, StepRecord, TextPiece

# Enough to hide the way to the codec and back; more would only move the waiting there.
WINDOW_FRAMES = 3
LATE_MS = FRAME_MS


@dataclass(frozen=True, slots=True)
class CodecStep:
    """What one step did; `moshi_frame` is the sound that it completed, if any."""

    record: StepRecord
    moshi_frame: PcmFrame | None
    text: TextPiece | None


class Session:
    """The frames, the journal and the figures of one conversation.

    Args:
        context_steps: how many steps the model remembers.
        keep_first_frame: whether step 0 runs before the user's first frame, which is then heard in
            step 1; otherwise the first frame sets off step 0.
        seed: the seed in force, for the summary.
        pace: whose time it keeps.
        max_hold_s: how long the client may hold it.
        guess: what conceals the user's lost sound, where the format can.
    """

    def __init__(
        self,
        context_steps: int,
        keep_first_frame: bool,
        seed: int,
        pace: Pace,
        max_hold_s: float,
        guess: Guess | None = None,
    ) -> None:
        self._seed = seed
        self._context_steps = context_steps
        self._steps_before_input = 1 if keep_first_frame else 0
        self._pace = pace
        self._max_hold_s = max_hold_s
        self._user: UserSound = LiveInput() if pace is Pace.LIVE else FastInput()
        self._concealment = Concealment(guess)
        self._unanswered: deque[HeardFrame] = deque()
        self._muted = False
        self._hold_ends_s = math.inf
        self._first_second = FirstSecond()
        self._lag = LagWatch()
        self._voice = SpeechActivity()
        self._dropped = Losses(FramesDropped)
        self._concealed = Losses(FramesConcealed)
        self._untold: list[Notice] = []
        self._turnaround = Turnaround()
        self.journal = Journal(context_steps)
        self.frames_in = 0
        self.frames_out = 0
        self.frames_late = 0

    def hear(self, samples: Samples, now_s: float) -> None:
        """Takes sound of any length: float32 [n], mono, 24 kHz.

        A live session leaves out what is too late or too early, and counts it.
        """
        if self._held:
            return
        report = self._first_second.hear(samples, now_s, self._next_step)
        if report is not None:
            self._untold.append(report)
        dropped = self._user.hear(samples, now_s)
        if dropped:
            self._dropped.add(self._next_step, dropped)

    @property
    def _next_step(self) -> int:
        """The step that hears the frame which is next now."""
        return self.frames_in + self._steps_before_input

    def mute(self, muted: bool, now_s: float) -> None:
        """Makes silence of what the user says from here on, or no longer."""
        self._muted = muted
        self._go_on_without_sound(now_s)

    def _go_on_without_sound(self, now_s: float) -> None:
        if self._muted and not self._held:
            self._user.begin(now_s)

    def hold(self, held: bool, now_s: float) -> None:
        """Stops the conversation, which forgets what was not yet heard, or lets it go on."""
        if held and not self._held:
            self._hold_ends_s = now_s + self._max_hold_s
            self._user.clear()
        elif not held:
            self._hold_ends_s = math.inf
            self._go_on_without_sound(now_s)

    @property
    def _held(self) -> bool:
        return self._hold_ends_s < math.inf

    @property
    def may_be_silent(self) -> bool:
        """Whether nothing need come from the client: it is held, or muted in the gateway's time."""
        return self._held or (self._muted and self._pace is Pace.LIVE)

    def finish(self, now_s: float) -> None:
        """Ends the user's side, whose last frame silence fills: nothing said is lost."""
        self._hold_ends_s = math.inf
        self._user.finish(now_s)

    def next_frame(self, now_s: float) -> PcmFrame | None:
        """Gives the next frame for the codec; None if it is not time for one, or the window full.

        Raises:
            HoldTooLong: the client has held for too long.
        """
        if now_s >= self._hold_ends_s:
            raise HoldTooLong(
                f"the conversation was held for {self._max_hold_s:g} s: let it go on sooner, or "
                "end it"
            )
        if self._held or self._window_is_full:
            return None
        heard = self._user.take(now_s)
        if heard is None:
            return None
        samples = self._samples_of(heard)
        self._unanswered.append(heard)
        self.frames_in += 1
        return PcmFrame(self.frames_in - 1, samples)

    def _samples_of(self, heard: HeardFrame) -> Samples:
        if self._muted:
            return self._concealment.pass_on(np.zeros(FRAME_SAMPLES, np.float32))
        if heard.samples is not None:
            return self._concealment.pass_on(heard.samples)
        self._concealed.add(self._next_step)
        return self._concealment.fill()

    @property
    def _window_is_full(self) -> bool:
        return len(self._unanswered) >= WINDOW_FRAMES

    @property
    def next_frame_s(self) -> float:
        """When to ask for a frame again if nothing happens before; infinity for never."""
        if self._held:
            return self._hold_ends_s
        return math.inf if self._window_is_full else self._user.next_s

    @property
    def full(self) -> bool:
        """Whether the client should not be read for now."""
        return self._user.full

    @property
    def must_send_first(self) -> bool:
        """Whether a control has to wait until what was heard before it is on its way."""
        return self._pace is Pace.FAST and self._user.next_s < math.inf

    @property
    def all_sent(self) -> bool:
        """Whether the user has finished and `next_frame` has given everything."""
        return self._user.all_taken

    def on_step(self, step: CodecStep, now_s: float) -> tuple[list[Output], float | None]:
        """Takes what a step did.

        Returns:
            What the client is to be told, in order, and the turnaround: how long ago the user frame
            that the step waited for was complete, in ms, or None for a step that waited for none.

        Raises:
            ValueError: the step is not the one that follows, or answers a frame that was not sent.
        """
        number = step.record.step
        self.journal.append(step.record)
        losses = [*self._dropped.told(), *self._concealed.told()]
        outputs: list[Output] = [*sorted(losses, key=lambda loss: loss.step), *self._untold]
        self._untold.clear()
        if number == self._context_steps:
            outputs.append(ContextRolled(number, self._context_steps))
        if step.record.sampling is not None:
            outputs.append(SamplingChanged(number, step.record.sampling))
        if step.text is not None:
            outputs.append(step.text)
        answered = self._answered(number)
        if answered is not None and (lag := self._lag_of(answered, number, now_s)):
            outputs.append(lag)
        turnaround_ms = None if answered is None else (now_s - answered.complete_s) * 1000
        if step.moshi_frame is not None:
            self.frames_out += 1
            if change := self._voice.hear(step.moshi_frame.samples, number):
                outputs.append(change)
            outputs.append(step.moshi_frame)
            if turnaround_ms is not None:
                self._turnaround.add(turnaround_ms)
                self.frames_late += turnaround_ms > LATE_MS
        return outputs, turnaround_ms

    def _answered(self, step: int) -> HeardFrame | None:
        if step < self._steps_before_input:
            return None
        if not self._unanswered:
            raise ValueError(f"step {step} answers a frame that was not sent")
        return self._unanswered.popleft()

    def _lag_of(self, answered: HeardFrame, step: int, now_s: float) -> Lag | None:
        if self._pace is Pace.FAST:  # which is never late: it has no time of its own
            return None
        return self._lag.see(step, (now_s - min(answered.complete_s, answered.due_s)) * 1000)

    def summary(self, voice_frames_dropped: int) -> Summary:
        """Says how the conversation went; so many frames of Moshi's voice were left out unread."""
        return Summary(
            frames_in=self.frames_in,
            frames_out=self.frames_out,
            frames_dropped=self._dropped.frames,
            frames_late=self.frames_late,
            turnaround_p50_ms=self._turnaround.percentile(50),
            turnaround_p99_ms=self._turnaround.percentile(99),
            seed=self._seed,
            frames_concealed=self._concealed.frames,
            voice_frames_dropped=voice_frames_dropped,
        )
