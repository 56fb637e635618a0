"""Where the user's sound comes from, and where Moshi's voice goes to."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from kaiwa.cli.sound import Samples


@dataclass(frozen=True, slots=True)
class Recorded:
    """20 ms of the user's sound, just recorded: `samples` is float32 [480]."""

    samples: Samples
    at_s: float
    """When the first of the samples was at the microphone, on the monotonic clock."""


class Microphone(Protocol):
    """Where the user's sound comes from, packet by packet as it is recorded."""

    def packets(self) -> AsyncGenerator[Recorded, None]:
        """Records until the end, or until `stop`."""

    def stop(self) -> None:
        """Ends `packets` within a packet's time."""


class Speaker(Protocol):
    """What plays Moshi's voice."""

    def play(self, samples: Samples) -> None:
        """Takes the next frame, float32 [1920], and comes back at once."""
