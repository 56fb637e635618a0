"""How much of the user's sound was lost, counted and told step by step."""

from kaiwa_server.gateway.outputs import FramesConcealed, FramesDropped


class Losses:
    """Counts the frames that were lost in one way, and tells of them once."""

    def __init__(self, kind: type[FramesDropped] | type[FramesConcealed]) -> None:
        self._kind = kind
        self._untold: list[FramesDropped | FramesConcealed] = []
        self.frames = 0

    def add(self, step: int, frames: int = 1) -> None:
        """Counts frames that were lost before this step."""
        self.frames += frames
        if self._untold and self._untold[-1].step == step:
            frames += self._untold.pop().frames
        self._untold.append(self._kind(step, frames, self.frames))

    def told(self) -> list[FramesDropped | FramesConcealed]:
        """Gives what was not yet told, one notice for each step."""
        untold, self._untold = self._untold, []
        return untold
