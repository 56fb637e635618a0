"""A phone call over the three real processes: a spoken question in, the answer's voice out."""

import asyncio
from collections.abc import Callable

import numpy as np
from e2e.talking import GREEDY, talk_to_gateway
from fake_twilio import PACKET_BYTES, PhoneCall, phone_call
from kaiwa.g711 import G711
from kaiwa.resampling import Resampler
from numpy.typing import NDArray
from stack_process import Stack

FRAMES = 110
PACKET_S = 0.02
QUESTION_PACKETS = 175  # 3.5 s: the greeting is over, the question begins
WORDS = "Hello, I am Moshi. Ask me something. My name is Moshi. I am a tiny speech model."

MULAW = G711("mulaw")


def to_telephone(sound: NDArray[np.float32]) -> list[bytes]:
    """What 24 kHz is on the phone: packets of 20 ms."""
    data = MULAW.encode(Resampler(24_000, 8_000).resample(sound))
    return [data[start : start + PACKET_BYTES] for start in range(0, len(data), PACKET_BYTES)]


def from_telephone(packets: list[bytes]) -> NDArray[np.float32]:
    """What such packets are to Moshi: frames [T, 1920]."""
    sound = Resampler(8_000, 24_000).resample(MULAW.decode(b"".join(packets)))
    return sound.reshape(-1, 1920)


def likeness(heard: list[bytes], expected: list[bytes]) -> float:
    """How alike two voices go up and down, packet by packet, whichever began first: up to 1."""
    levels = []
    for packets in (heard, expected):
        level = np.array([np.abs(MULAW.decode(packet)).mean() for packet in packets])
        level -= level.mean()
        levels.append(level / np.linalg.norm(level))
    return float(np.correlate(*levels, "full").max())


async def speak(call: PhoneCall, packets: list[bytes]) -> None:
    """Says them in real time, and hangs up."""
    clock = asyncio.get_running_loop()
    start = clock.time()
    for index, packet in enumerate(packets):
        await asyncio.sleep(start + (index + 1) * PACKET_S - clock.time())
        await call.say(packet)
    await call.hang_up()


async def test_a_caller_hears_the_answer_to_a_spoken_question(
    stack: Stack,
    conversation_frames: NDArray[np.float32],
    record_property: Callable[[str, object], None],
) -> None:
    said = to_telephone(conversation_frames[:FRAMES].reshape(-1))
    # The same sound by the other way in, which has words too.
    words, voice = await talk_to_gateway(stack.gateway, from_telephone(said), GREEDY)
    assert words == WORDS

    temperatures = {"text_temperature": "0", "audio_temperature": "0"}
    async with phone_call(f"http://{stack.websocket}/v1/twilio", temperatures) as call:
        hearing = asyncio.create_task(call.hear_to_the_end())
        await speak(call, said)
        await hearing
    expected = to_telephone(voice.reshape(-1))
    record_property("packets of the same bytes", sum(map(bytes.__eq__, call.heard, expected)))
    assert likeness(call.heard[QUESTION_PACKETS:], expected[QUESTION_PACKETS:]) > 0.8

    gaps_ms = np.diff(call.heard_at_s) * 1000
    for percent in (50, 99):
        record_property(f"gap p{percent} ms", float(np.percentile(gaps_ms, percent)))
    assert 10 < np.median(gaps_ms) < 30, "packets come one by one, not four by four"
