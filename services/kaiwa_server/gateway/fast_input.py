"""The user's sound of a conversation that keeps the model's time: nothing is lost or made up."""

import math
from collections import deque

from kaiwa_server.gateway.user_sound import Framer, HeardFrame, Samples

# More than this would only wait here; the client is not read while it does.
ENOUGH_WAITING_FRAMES = 3


class FastInput:
    """A `UserSound` that gives frames as soon as they are complete, and says when it has enough."""

    def __init__(self) -> None:
        self._framer = Framer()
        self._waiting: deque[HeardFrame] = deque()
        self._finished = False

    def begin(self, now_s: float) -> None:
        """Does nothing: its time is that of what it hears."""

    def hear(self, samples: Samples, now_s: float) -> int:
        """Takes sound of any length: float32 [n]; leaves nothing out."""
        self._waiting.extend(HeardFrame(frame, now_s, now_s) for frame in self._framer.add(samples))
        return 0

    def finish(self, now_s: float) -> None:
        """Ends it: silence fills the last frame."""
        self._finished = True
        if (rest := self._framer.end()) is not None:
            self._waiting.append(HeardFrame(rest, now_s, now_s))

    def clear(self) -> None:
        """Forgets what waits."""
        self._framer = Framer()
        self._waiting.clear()

    def take(self, now_s: float) -> HeardFrame | None:
        """Gives the next frame that is complete."""
        return self._waiting.popleft() if self._waiting else None

    @property
    def next_s(self) -> float:
        """At once if a frame is complete; infinity if none is."""
        return -math.inf if self._waiting else math.inf

    @property
    def full(self) -> bool:
        """Whether 240 ms wait."""
        return len(self._waiting) >= ENOUGH_WAITING_FRAMES

    @property
    def all_taken(self) -> bool:
        """Whether it is finished and everything was given."""
        return self._finished and not self._waiting
