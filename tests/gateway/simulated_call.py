"""A client's packets against a simulated clock: what the gateway hears of them, and when."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from kaiwa_server.audio import SAMPLE_RATE_HZ
from kaiwa_server.gateway.user_sound import HeardFrame, UserSound
from numpy.typing import NDArray

Arrival = tuple[float, NDArray[np.float32]]


@dataclass
class Heard:
    """What a model that is always in time was given: each frame and when."""

    frames: list[tuple[float, HeardFrame]] = field(default_factory=list)
    dropped: int = 0

    @property
    def concealed(self) -> int:
        return sum(frame.samples is None for _, frame in self.frames)

    @property
    def lags_s(self) -> list[float]:
        """How long after its time each frame was given."""
        return [at_s - min(frame.complete_s, frame.due_s) for at_s, frame in self.frames]

    def between(self, from_s: float, to_s: float) -> "Heard":
        return Heard([(at_s, frame) for at_s, frame in self.frames if from_s <= at_s < to_s])

    @property
    def sound(self) -> NDArray[np.float32]:
        """The samples of the frames that are not missing, one after the other."""
        samples = [frame.samples for _, frame in self.frames if frame.samples is not None]
        return np.concatenate([np.empty(0, np.float32), *samples])


def listen(user: UserSound, arrivals: Iterable[Arrival], until_s: float) -> Heard:
    """Lets the packets arrive, in order of time, and takes every frame as soon as it is given."""
    heard, now_s = Heard(), 0.0
    for at_s, samples in arrivals:
        _take_until(at_s, now_s, user, heard)
        heard.dropped += user.hear(samples, at_s)
        now_s = at_s
    _take_until(until_s, now_s, user, heard)
    return heard


def _take_until(end_s: float, now_s: float, user: UserSound, heard: Heard) -> None:
    """Moves the clock from one moment at which a frame is given to the next, and to the end."""
    while user.next_s <= end_s:
        now_s = max(now_s, user.next_s)
        frame = user.take(now_s)
        assert frame is not None
        heard.frames.append((now_s, frame))


def packets(
    seconds: float, packet_ms: float = 20, starts_s: float = 0.0, ppm: float = 0.0
) -> Iterator[Arrival]:
    """A recording, packet by packet, each there when its last sample is; sample n has the value n.

    The client's clock is fast by `ppm` millionths.
    """
    size = round(packet_ms * SAMPLE_RATE_HZ / 1000)
    period_s = packet_ms / 1000 / (1 + ppm * 1e-6)
    for number in range(int(seconds * 1000 / packet_ms)):
        samples = np.arange(number * size, (number + 1) * size, dtype=np.float32)
        yield starts_s + (number + 1) * period_s, samples


def in_order(arrivals: Iterable[Arrival]) -> Iterator[Arrival]:
    """The packets as an ordered transport hands them over: none before the one sent before it."""
    latest_s = 0.0
    for at_s, samples in arrivals:
        latest_s = max(latest_s, at_s)
        yield latest_s, samples
