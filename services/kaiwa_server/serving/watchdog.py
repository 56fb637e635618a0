"""A peer that is alive for HTTP/2 and dead for the session."""

import asyncio
from collections.abc import Callable


class Watchdog:
    """Calls `on_silence` when answers are owed and none comes for `patience_s` seconds.

    HTTP/2's own keepalive does not notice a process whose threads turn and whose model hangs.
    """

    def __init__(self, patience_s: float, on_silence: Callable[[], None]) -> None:
        self._patience_s = patience_s
        self._on_silence = on_silence
        self._owed = 0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def owed(self) -> int:
        """How many answers are owed."""
        return self._owed

    def owe(self) -> None:
        """One more answer is owed from now on."""
        self._owed += 1
        if self._timer is None:
            self._start()

    def settle(self) -> None:
        """One answer came; those still owed have as long as it had.

        Raises:
            ValueError: none was owed.
        """
        if not self._owed:
            raise ValueError("an answer that nobody asked for")
        self._owed -= 1
        self.close()
        if self._owed:
            self._start()

    def close(self) -> None:
        """Stops watching."""
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _start(self) -> None:
        event_loop = asyncio.get_running_loop()
        self._timer = event_loop.call_later(self._patience_s, self._on_silence)
