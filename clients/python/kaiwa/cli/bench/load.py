"""What load is asked for."""

from dataclasses import dataclass

from kaiwa.cli.sound import FRAME_S, PACKET_S


@dataclass(frozen=True, slots=True)
class Load:
    """So many sessions with one gateway at once, each of them for so long."""

    server: str
    sessions: int
    seconds: float

    @property
    def packets(self) -> int:
        """How many packets of 20 ms each session says."""
        return round(self.seconds / PACKET_S)

    def offset_s(self, number: int) -> float:
        """By how much a session is behind the first one.

        Frames of 80 ms come from all of them, and never from two in the same instant.
        """
        return FRAME_S * number / self.sessions
