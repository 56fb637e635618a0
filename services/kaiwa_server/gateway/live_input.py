"""The user's sound of a live conversation: the gateway's clock says when it is heard.

The model is to hear a frame every 80 ms, whatever the network does, and nobody is to wait longer
than need be. So there is a **grid**: frame after frame is *due*, each 80 ms after the one before.

- *On time, no delay.* A complete frame that is due goes at once. The grid lies where the client's
  earliest frames lie: one that comes before it is due goes at once too, and draws the grid with it.
  So a client that sends regularly never waits here, and what comes with jitter is handed on as it
  comes: the client's own playback buffer evens out both directions at once.
- *Late, and concealed.* A frame that is not complete when it is due is waited for, as long as
  this client's frames have lately been late, and 40 ms more; 80 ms (the target) at most. Then a
  missing frame is given in its place, which the session conceals, and the next one is due. There
  is no use of the redundancy (FEC) in Opus: the transport keeps the order, so the packet after a
  missing one is never there first.
- *Too late, and left out.* What was concealed is owed. As soon as two frames wait, the older one
  pays: it is the sound that came too late, and to hear it would make everything after it later. A
  client whose sound was lost, or that just paused, brings no such surplus; after a second without
  any nothing is owed any more.
- *Ahead, within bounds.* How far the grid has been drawn ahead is bounded by 240 ms, plus what two
  quartz clocks may differ by (250 ppm), so a client whose clock is fast or slow is followed without
  loss, and one that sends faster than real time is not: its frames wait until they are due.
- *Never more than 240 ms.* If four frames wait, the oldest is left out; if one has been waiting
  behind the one that goes for a second, the oldest is left out too, so that lag does not stay.

The clock begins with the first complete frame, or with `begin`, and again with the first after a
gap of more than a second: who has paused begins anywhere between two frames. `finish` ends it: what
is left goes at once.
"""

import math
from collections import deque

from kaiwa_server.audio import FRAME_MS
from kaiwa_server.gateway.user_sound import Framer, HeardFrame, Samples

FRAME_S = FRAME_MS / 1000
MAX_WAITING_FRAMES = 3
MAX_AHEAD_S = 0.24
TARGET_S = 0.08
LEAST_PATIENCE_S = 0.04
# Lateness is forgotten by half in 28 s: a network that had a bad moment soon has another.
FADE = 0.998
# By how much the grid may follow the client's clock with each frame: 250 ppm.
DRIFT_S = FRAME_S * 250e-6
SECOND_FRAMES = 12


class LiveInput:
    """A `UserSound` that keeps the gateway's time."""

    def __init__(self) -> None:
        self._finished = False
        self._lateness_s = TARGET_S  # nothing is known of this client yet
        self._ahead_left_s = MAX_AHEAD_S
        self.clear()

    def clear(self) -> None:
        """Forgets what waits; the clock begins again with the next complete frame."""
        self._framer = Framer()
        self._waiting: deque[tuple[Samples, float]] = deque()  # with the time they were complete
        self._due_s = math.inf  # of the next frame
        self._owed = 0
        self._missing_frames = 0  # taken in a row
        self._crowded_frames = 0  # taken in a row while others waited behind them
        self._single_frames = 0  # taken in a row while none did

    def begin(self, now_s: float) -> None:
        """Starts the clock, if it stands: a frame is due in 80 ms, whether sound comes or not."""
        self._due_s = min(self._due_s, now_s + FRAME_S)

    def hear(self, samples: Samples, now_s: float) -> int:
        """Takes sound of any length: float32 [n]; gives how many frames are left out for it."""
        on_time_s = now_s - self._framer.overhang_s
        for frame in self._framer.add(samples):
            self._follow_client(on_time_s, now_s)
            self._waiting.append((frame, now_s))
        dropped = 0
        while self._too_many_wait:
            self._leave_out(now_s)
            dropped += 1
        return dropped

    def _follow_client(self, complete_s: float, now_s: float) -> None:
        if self._due_s == math.inf or self._missing_frames > SECOND_FRAMES:
            self._due_s = now_s
            self._missing_frames = 0
            return
        late_s = complete_s - self._due_s - len(self._waiting) * FRAME_S
        self._lateness_s = max(min(late_s, TARGET_S), self._lateness_s * FADE)
        back_s = min(max(late_s, 0.0), DRIFT_S)
        self._due_s += back_s
        self._ahead_left_s = min(self._ahead_left_s + back_s + DRIFT_S, MAX_AHEAD_S)

    @property
    def _too_many_wait(self) -> bool:
        one_is_enough = self._owed or self._crowded_frames >= SECOND_FRAMES
        return len(self._waiting) > (1 if one_is_enough else MAX_WAITING_FRAMES)

    def _leave_out(self, now_s: float) -> None:
        self._waiting.popleft()
        self._crowded_frames = self._single_frames = 0
        if self._owed:
            self._owed -= 1
        elif self._due_s <= now_s - FRAME_S:
            self._due_s += FRAME_S  # its time has passed while the model was busy

    def finish(self, now_s: float) -> None:
        """Ends it: silence fills the last frame; what waits is given at once."""
        self._finished = True
        if (rest := self._framer.end()) is not None:
            self._waiting.append((rest, now_s))

    def take(self, now_s: float) -> HeardFrame | None:
        """Gives the next frame, a missing one if need be; None if it is not time for one yet."""
        overdue_s = now_s - self.next_s
        if overdue_s < 0:
            return None
        return self._complete(now_s) if self._waiting else self._missing(now_s, overdue_s)

    def _complete(self, now_s: float) -> HeardFrame:
        samples, complete_s = self._waiting.popleft()
        self._missing_frames = 0
        if self._finished:
            return HeardFrame(samples, complete_s, complete_s)
        due_s = self._due_s
        early_s = max(due_s - now_s, 0.0)
        self._ahead_left_s -= early_s
        self._due_s = due_s - early_s + FRAME_S
        if self._waiting:
            self._crowded_frames, self._single_frames = self._crowded_frames + 1, 0
        else:
            self._crowded_frames, self._single_frames = 0, self._single_frames + 1
        if self._single_frames >= SECOND_FRAMES:
            self._owed = 0
        return HeardFrame(samples, complete_s, due_s)

    def _missing(self, now_s: float, overdue_s: float) -> HeardFrame:
        due_s = self._due_s
        if overdue_s > FRAME_S:
            due_s += overdue_s  # the model was busy: what it could not hear then it need not now
        self._due_s = due_s + FRAME_S
        self._lateness_s = TARGET_S
        self._owed += 1
        self._missing_frames += 1
        self._crowded_frames = self._single_frames = 0
        return HeardFrame(None, now_s, due_s)

    @property
    def next_s(self) -> float:
        """When `take` gives a frame if no sound comes before; infinity for never."""
        if self._finished:
            return -math.inf if self._waiting else math.inf
        if self._waiting:
            return self._due_s - (0.0 if self._owed else self._ahead_left_s)
        patience_s = min(LEAST_PATIENCE_S + self._lateness_s, TARGET_S)
        return self._due_s + self._framer.overhang_s + patience_s

    @property
    def full(self) -> bool:
        """Never: a live client is always read."""
        return False

    @property
    def all_taken(self) -> bool:
        """Whether it is finished and everything was given."""
        return self._finished and not self._waiting
