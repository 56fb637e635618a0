"""The sound card: one device that records 20 ms and plays 20 ms at a time."""

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable
from typing import Any, Protocol, TypeAlias

import numpy as np

from kaiwa.cli.errors import CannotDo
from kaiwa.cli.microphone import Recorded
from kaiwa.cli.sound import PACKET_S, PACKET_SAMPLES, SAMPLE_RATE_HZ, Samples

MAX_WAITING_PACKETS = 250  # 5 s of sound that the network has not taken
MAX_HELD_SAMPLES = 5_760  # 240 ms of Moshi's voice that is not played yet


class Stream(Protocol):
    """An open sound card."""

    def close(self) -> None:
        """Stops it; the callback is not called any more."""


Callback: TypeAlias = Callable[[Samples, Samples, float], None]
"""Takes 20 ms that were recorded, float32 [480], fills 20 ms to be played, float32 [480]; the last
argument is when the first recorded sample was at the microphone, on the monotonic clock."""

OpenStream: TypeAlias = Callable[[Callback], Stream]


class SoundCard:
    """Microphone and speaker at once, so that both voices run on one clock.

    At most 5 s of the user's sound wait to be sent, then the talk ends with an error. At most
    240 ms of Moshi's voice wait to be played, then the oldest are left out, so that a stall of the
    network does not delay all that follows.
    """

    def __init__(self, open_stream: OpenStream) -> None:
        self._open_stream = open_stream
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Queue[Recorded | None] = asyncio.Queue()
        self._overflowed = False
        self._held = np.zeros(0, dtype=np.float32)
        self._holding = threading.Lock()

    async def packets(self) -> AsyncGenerator[Recorded, None]:
        """Records until `stop`.

        Raises:
            CannotDo: the sound card cannot be opened, or the network does not carry the sound.
        """
        stream = self._open_stream(self._exchange)
        try:
            while (packet := await self._waiting.get()) is not None:
                if self._overflowed:
                    raise CannotDo("5 s of your sound wait to be sent: the network is too slow")
                yield packet
        finally:
            stream.close()

    def stop(self) -> None:
        """Ends the recording."""
        self._waiting.put_nowait(None)

    def play(self, samples: Samples) -> None:
        """Takes the next frame of Moshi's voice, float32 [1920]."""
        with self._holding:
            self._held = np.concatenate([self._held, samples])[-MAX_HELD_SAMPLES:]

    def _exchange(self, recorded: Samples, played: Samples, at_s: float) -> None:
        # Called on the sound card's thread.
        with self._holding:
            ready = self._held[: len(played)]
            self._held = self._held[len(ready) :]
        played[: len(ready)] = ready
        played[len(ready) :] = 0
        packet = Recorded(recorded.copy(), at_s)
        self._loop.call_soon_threadsafe(self._wait_for_sending, packet)

    def _wait_for_sending(self, packet: Recorded) -> None:
        if self._waiting.qsize() < MAX_WAITING_PACKETS:
            self._waiting.put_nowait(packet)
        else:
            self._overflowed = True


def find_sound_card() -> OpenStream:
    """Gives what opens the system's default microphone and speaker.

    Raises:
        CannotDo: sounddevice, PortAudio or a device is missing; the text says which.
    """
    try:
        import sounddevice
    except ImportError as error:
        raise CannotDo("a microphone needs one more package: pip install 'kaiwa[mic]'") from error
    except OSError as error:
        raise CannotDo(
            f"sounddevice found no PortAudio library ({error}): apt-get install libportaudio2"
        ) from error
    for kind in ("input", "output"):
        try:
            sounddevice.query_devices(kind=kind)
        except (sounddevice.PortAudioError, ValueError) as error:
            raise CannotDo(
                f"no {kind} device found: {error}\n"
                "connect one, or talk from a file: kaiwa talk question.wav"
            ) from error
    return lambda callback: _open(sounddevice, callback)


def _open(sounddevice: Any, callback: Callback) -> Stream:
    def exchange(recorded: Any, played: Any, frames: int, at: Any, status: Any) -> None:
        # Some drivers do not tell when the sound was recorded; then it ended just now.
        age_s = at.currentTime - at.inputBufferAdcTime if at.inputBufferAdcTime else PACKET_S
        callback(recorded[:, 0], played[:, 0], time.monotonic() - age_s)

    try:
        stream = sounddevice.Stream(
            samplerate=SAMPLE_RATE_HZ,
            blocksize=PACKET_SAMPLES,
            channels=1,
            dtype="float32",
            latency="low",
            callback=exchange,
        )
        stream.start()
    except sounddevice.PortAudioError as error:
        raise CannotDo(f"the sound card does not open at 24 kHz, mono: {error}") from error
    opened: Stream = stream
    return opened
