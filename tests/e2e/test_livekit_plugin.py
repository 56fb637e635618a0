"""LiveKit's plugin for NVIDIA's realtime models, as it is, in a conversation with the real stack.

Its packages are many, so they are not among the tools that every test run needs; how to have this
test run is in docs/kyutai.md.
"""

import asyncio
from typing import Any

import aiohttp
import numpy as np
import pytest
from e2e.conftest import sound_of
from e2e.talking import silence
from numpy.typing import NDArray
from stack_process import Stack

pytestmark = pytest.mark.filterwarnings("ignore")  # what others' packages warn of is theirs

SAMPLE_RATE_HZ = 24_000
PACKET_SAMPLES = 480  # 20 ms


class Heard:
    """What a session of the plugin gives: its generations' words and sound, and its errors."""

    def __init__(self, session: Any) -> None:
        self.words = ""
        self.samples = 0
        self.errors: list[Any] = []
        self._reading: list[asyncio.Task[None]] = []
        session.on("generation_created", self._read_later)
        session.on("error", self.errors.append)

    async def to_the_end(self) -> None:
        await asyncio.gather(*self._reading)

    def _read_later(self, generation: Any) -> None:
        self._reading.append(asyncio.create_task(self._read(generation)))

    async def _read(self, generation: Any) -> None:
        async for message in generation.message_stream:
            await asyncio.gather(self._read_words(message), self._read_sound(message))

    async def _read_words(self, message: Any) -> None:
        async for piece in message.text_stream:
            self.words += piece

    async def _read_sound(self, message: Any) -> None:
        async for frame in message.audio_stream:
            self.samples += frame.samples_per_channel


async def speak(session: Any, sound: NDArray[np.float32]) -> None:
    """Pushes a sound into a session of the plugin, in real time."""
    from livekit import rtc

    clock = asyncio.get_running_loop().time
    start_s = clock()
    for begin in range(0, len(sound), PACKET_SAMPLES):
        samples = (sound[begin : begin + PACKET_SAMPLES] * 32_767).astype(np.int16)
        session.push_audio(rtc.AudioFrame(samples.tobytes(), SAMPLE_RATE_HZ, 1, len(samples)))
        await asyncio.sleep(start_s + (begin + len(samples)) / SAMPLE_RATE_HZ - clock())


async def test_livekits_plugin_talks_with_moshi_as_it_is(stack: Stack) -> None:
    plugin = pytest.importorskip("livekit.plugins.nvidia.experimental.realtime")
    async with aiohttp.ClientSession() as http:
        # Its voice and its prompt have defaults, which it always sends.
        model = plugin.RealtimeModel(base_url=f"ws://{stack.websocket}", seed=3, http_session=http)
        session = model.session()
        heard = Heard(session)
        sound = np.concatenate([silence(3.5), sound_of("name.wav"), silence(5)])
        await speak(session, sound)
        await session.aclose()
        await heard.to_the_end()
    assert not heard.errors
    assert heard.words.strip().startswith("Hello, I am Moshi. Ask me something. My name is Moshi.")
    assert heard.samples > 0.9 * len(sound)
