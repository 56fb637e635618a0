"""One conversation without I/O: sound in, frames to the codec, steps back, outputs to the client.

Time comes in as an argument, in seconds of any clock that only goes forward.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kaiwa_server.audio import FRAME_MS, FRAME_SAMPLES, PcmFrame
from kaiwa_server.gateway.outputs import ContextRolled, FramesDropped, Output, Summary
from kaiwa_server.gateway.turnaround import Turnaround
from kaiwa_server.journal import Journal, StepRecord, TextPiece

# 240 ms of complete frames may wait; a client that is further ahead loses the oldest of them.
MAX_WAITING_FRAMES = 3
# Enough to hide the way to the codec and back; more would only move the waiting there.
WINDOW_FRAMES = 3
LATE_MS = FRAME_MS


@dataclass(frozen=True, slots=True)
class CodecStep:
    """What one step did; `moshi_frame` is the sound that it completed, if any."""

    record: StepRecord
    moshi_frame: PcmFrame | None
    text: TextPiece | None


@dataclass(frozen=True, slots=True)
class _CompleteFrame:
    samples: NDArray[np.float32]
    complete_s: float


class Session:
    """The frames, the journal and the figures of one conversation.

    Args:
        context_steps: how many steps the model remembers.
        keep_first_frame: whether step 0 runs before the user's first frame, which is then heard in
            step 1; otherwise the first frame sets off step 0.
        seed: the seed in force, for the summary.
    """

    def __init__(self, context_steps: int, keep_first_frame: bool, seed: int) -> None:
        self._seed = seed
        self._context_steps = context_steps
        self._steps_before_input = 1 if keep_first_frame else 0
        self._partial = np.empty(0, np.float32)
        self._waiting: deque[_CompleteFrame] = deque()
        self._unanswered_since: deque[float] = deque()
        self._finished = False
        self._drops_untold: list[FramesDropped] = []
        self._turnaround = Turnaround()
        self.journal = Journal(context_steps)
        self.frames_in = 0
        self.frames_out = 0
        self.frames_dropped = 0
        self.frames_late = 0

    def hear(self, samples: NDArray[np.float32], now_s: float) -> None:
        """Takes sound of any length: float32 [n], mono, 24 kHz.

        Only the newest 240 ms of it can wait: what is older is left out and counted.
        """
        sound = np.concatenate([self._partial, samples])
        complete = len(sound) // FRAME_SAMPLES * FRAME_SAMPLES
        for frame in sound[:complete].reshape(-1, FRAME_SAMPLES):
            self._waiting.append(_CompleteFrame(frame, now_s))
        self._partial = sound[complete:]
        while len(self._waiting) > MAX_WAITING_FRAMES:
            self._waiting.popleft()
            self._note_drop()

    def _note_drop(self) -> None:
        self.frames_dropped += 1
        step = self.frames_in + self._steps_before_input  # what hears the frame that is next now
        frames = 1
        if self._drops_untold and self._drops_untold[-1].step == step:
            frames += self._drops_untold.pop().frames
        self._drops_untold.append(FramesDropped(step, frames, self.frames_dropped))

    def finish(self, now_s: float) -> None:
        """Ends the user's side: silence fills the last frame, so that nothing said is lost."""
        self._finished = True
        if len(self._partial):
            missing = FRAME_SAMPLES - len(self._partial)
            samples = np.concatenate([self._partial, np.zeros(missing, np.float32)])
            self._waiting.append(_CompleteFrame(samples, now_s))
            self._partial = np.empty(0, np.float32)

    def next_frame(self) -> PcmFrame | None:
        """Gives the next frame for the codec; None if none waits or the window is full."""
        if not self._waiting or len(self._unanswered_since) >= WINDOW_FRAMES:
            return None
        frame = self._waiting.popleft()
        self._unanswered_since.append(frame.complete_s)
        self.frames_in += 1
        return PcmFrame(self.frames_in - 1, frame.samples)

    @property
    def all_sent(self) -> bool:
        """Whether the user has finished and `next_frame` has given everything."""
        return self._finished and not self._waiting

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
        outputs: list[Output] = [*self._drops_untold]
        self._drops_untold.clear()
        if number == self._context_steps:
            outputs.append(ContextRolled(number, self._context_steps))
        if step.text is not None:
            outputs.append(step.text)
        turnaround_ms = self._answered(number, now_s)
        if step.moshi_frame is not None:
            self.frames_out += 1
            outputs.append(step.moshi_frame)
            if turnaround_ms is not None:
                self._turnaround.add(turnaround_ms)
                self.frames_late += turnaround_ms > LATE_MS
        return outputs, turnaround_ms

    def _answered(self, step: int, now_s: float) -> float | None:
        if step < self._steps_before_input:
            return None
        if not self._unanswered_since:
            raise ValueError(f"step {step} answers a frame that was not sent")
        return (now_s - self._unanswered_since.popleft()) * 1000

    def summary(self) -> Summary:
        """Says how the conversation went."""
        return Summary(
            frames_in=self.frames_in,
            frames_out=self.frames_out,
            frames_dropped=self.frames_dropped,
            frames_late=self.frames_late,
            turnaround_p50_ms=self._turnaround.percentile(50),
            turnaround_p99_ms=self._turnaround.percentile(99),
            seed=self._seed,
        )
