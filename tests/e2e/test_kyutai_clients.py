"""Kyutai's WebSocket protocol over the real stack, with Kyutai's own Ogg-Opus library."""

import asyncio

import aiohttp
import numpy as np
import sphn
from numpy.typing import NDArray
from stack_process import Stack

PACKET_SAMPLES = 1920
FRAME_S = 0.08


async def test_a_client_of_kyutais_protocol_gets_the_answer_in_words_and_sound(
    stack: Stack, conversation_frames: NDArray[np.float32]
) -> None:
    frames = conversation_frames[:110]
    writer, reader = sphn.OpusStreamWriter(24_000), sphn.OpusStreamReader(24_000)
    words, sound, enough = "", 0, asyncio.Event()
    url = f"http://{stack.websocket}/api/chat?text_temperature=0&audio_temperature=0"
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
        assert (await socket.receive_bytes())[0] == 0

        async def listen() -> None:
            nonlocal words, sound
            async for message in socket:
                kind, body = message.data[0], message.data[1:]
                assert kind in (1, 2), message.data
                if kind == 2:
                    words += body.decode()
                else:
                    sound += len(reader.append_bytes(body))
                if "tiny speech model." in words:
                    enough.set()

        listening = asyncio.create_task(listen())
        clock = asyncio.get_running_loop()
        start = clock.time()
        for index, samples in enumerate(frames):
            data = writer.append_pcm(samples)
            await asyncio.sleep(start + (index + 1) * FRAME_S - clock.time())
            await socket.send_bytes(b"\x01" + data)
        await asyncio.wait_for(enough.wait(), 10)
        listening.cancel()
    assert words.strip().startswith("Hello, I am Moshi. Ask me something. My name is Moshi.")
    assert sound > 90 * PACKET_SAMPLES
