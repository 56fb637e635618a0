"""One conversation: the user's sound goes out and Moshi's comes in, both at once."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from kaiwa.cli.coder import Coder
from kaiwa.cli.microphone import Microphone, Speaker
from kaiwa.cli.patience import SILENT_FOR_S, next_event
from kaiwa.cli.recording import HeardFrame, Recording
from kaiwa.cli.sound import SAMPLE_RATE_HZ
from kaiwa.client import Talk
from kaiwa.errors import KaiwaError
from kaiwa.events import Audio, Event


class Screen(Protocol):
    """What shows the conversation while it goes on."""

    def spoke(self, spoken_s: float) -> None:
        """So much of the user's sound has been sent since the beginning."""

    def heard(self, event: Event) -> None:
        """This came from the service."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """Everyone who takes part; what happens is written to `recording`, also when it goes wrong."""

    talk: Talk
    microphone: Microphone
    coder: Coder
    recording: Recording
    screen: Screen
    speaker: Speaker | None = None
    clock: Callable[[], float] = time.monotonic
    silent_for_s: float = SILENT_FOR_S

    async def hold(self) -> None:
        """Talks until the microphone ends and the service has said all that it owes.

        Raises:
            KaiwaError: the call failed, or nothing came from the service for 10 s.
            CannotDo: the microphone failed, or what came is not sound.
        """
        listening = asyncio.create_task(self._listen())
        try:
            await self._speak()
            await listening
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    async def _speak(self) -> None:
        sent_samples = 0
        # What ended the call is told by the listening task.
        with contextlib.suppress(KaiwaError):
            async with contextlib.aclosing(self.microphone.packets()) as packets:
                async for packet in packets:
                    self.recording.spoken.append(packet)
                    await self.talk.send(self.coder.encode(packet.samples))
                    sent_samples += len(packet.samples)
                    self.screen.spoke(sent_samples / SAMPLE_RATE_HZ)
            await self.talk.end()

    async def _listen(self) -> None:
        try:
            while (event := await next_event(self.talk, self.silent_for_s)) is not None:
                self._note(event)
                self.screen.heard(event)
        finally:
            self.microphone.stop()

    def _note(self, event: Event) -> None:
        if not isinstance(event, Audio):
            self.recording.note(event)
            return
        samples = self.coder.decode(event)
        audible_s = self.clock() + self.coder.lookahead_samples / SAMPLE_RATE_HZ
        self.recording.heard.append(HeardFrame(event.frame_index, samples, audible_s))
        if self.speaker is not None:
            self.speaker.play(samples)
