"""When each packet of Moshi's voice leaves for a phone: one every 20 ms, not four every 80 ms.

Time comes in as an argument, in seconds of any clock that only goes forward.
"""

from collections import deque
from collections.abc import Sequence

PACKET_MS = 20
PACKET_S = PACKET_MS / 1000
# 240 ms of voice may wait; of what is more than that, the oldest is left out.
MAX_WAITING_PACKETS = 12
# At 80 ms a frame, one packet still waits at times when the next frame comes a little early.
FEW_WAITING_PACKETS = 1


class Pacer:
    """Packets that wait for their time.

    A packet leaves 20 ms after the one before it. One that comes too late for that leaves at once:
    if it is late by less than a packet, the next ones keep the old times, otherwise they follow it.
    Such a delay would stay for the rest of the call; so pauses in the voice are shortened until
    next to nothing waits.
    """

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque()
        self._next_s = float("-inf")

    def put(self, packets: Sequence[bytes], quiet: bool) -> None:
        """Puts the packets of a frame, which is a part of a pause if it is `quiet`."""
        behind = len(self._waiting)
        if quiet and behind > FEW_WAITING_PACKETS:
            packets = packets[behind:]
        self._waiting.extend(packets)
        while len(self._waiting) > MAX_WAITING_PACKETS:
            self._waiting.popleft()

    def clear(self) -> None:
        """Leaves out all that waits; what is put after it keeps the old times."""
        self._waiting.clear()

    def next_s(self, now_s: float) -> float | None:
        """Gives when the next packet is to leave, at the earliest now; None if none waits."""
        return max(self._next_s, now_s) if self._waiting else None

    def take(self, now_s: float) -> bytes:
        """Gives the next packet, which leaves now."""
        on_time = now_s - self._next_s < PACKET_S
        self._next_s = (self._next_s if on_time else now_s) + PACKET_S
        return self._waiting.popleft()
