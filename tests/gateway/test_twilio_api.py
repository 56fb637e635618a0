import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import aiohttp
import numpy as np
import pytest
from fake_twilio import PACKET_BYTES, SILENCE, PhoneCall, phone_call
from gateway.running_gateway import Gateway, running_gateway, until
from kaiwa.g711 import G711
from kaiwa_server.errors import LmDown
from numpy.typing import NDArray

MULAW = G711("mulaw")
Code = aiohttp.WSCloseCode


def url_of(gateway: Gateway) -> str:
    return gateway.url.removesuffix("/api/chat") + "/v1/twilio"


def calling(
    gateway: Gateway, parameters: Mapping[str, str] | None
) -> AbstractAsyncContextManager[PhoneCall]:
    return phone_call(url_of(gateway), parameters)


def tone(packets: int) -> NDArray[np.float32]:
    times_s = np.arange(packets * PACKET_BYTES) / 8_000
    return (0.5 * np.sin(2 * np.pi * 1_000 * times_s)).astype(np.float32)


def power(samples: NDArray[np.float32]) -> float:
    return float(np.sqrt((samples**2).mean()))


async def hold(call: PhoneCall, sound: bytes) -> None:
    """Says it frame by frame, each when the one before has been answered."""
    for start in range(0, len(sound), 4 * PACKET_BYTES):
        frame = sound[start : start + 4 * PACKET_BYTES]
        for packet in range(0, len(frame), PACKET_BYTES):
            await call.say(frame[packet : packet + PACKET_BYTES])
        for _ in range(4):
            assert await call.hear() is None


async def test_a_caller_hears_moshi_in_packets_of_20_ms(gateway: Gateway) -> None:
    sound = tone(40)
    async with calling(gateway, {}) as call:
        await hold(call, MULAW.encode(sound))
        await call.hang_up()
    assert {len(packet) for packet in call.heard} == {PACKET_BYTES}
    heard = MULAW.decode(b"".join(call.heard))
    assert len(heard) == len(sound)
    assert power(heard[640:]) == pytest.approx(power(sound), rel=0.01)


async def test_the_parameters_are_what_is_asked_of_the_model(gateway: Gateway) -> None:
    parameters = {"seed": "5", "text_temperature": "0", "audio_topk": "8", "customer": "Ada"}
    async with calling(gateway, parameters) as call:
        await until(lambda: bool(gateway.codec.settings))
        await call.hang_up()
    [settings] = gateway.codec.settings
    assert settings.seed == 5 and settings.audio_top_k == 8
    assert settings.text_temperature == 0 and settings.HasField("text_temperature")
    assert len(settings.ListFields()) == 3


async def test_a_call_that_is_hung_up_ends_normally(gateway: Gateway) -> None:
    async with calling(gateway, {}) as call:
        await hold(call, SILENCE * 4)
        await call.hang_up()
    await gateway.is_empty()
    labels = {"call": "/v1/twilio", "result": "NORMAL"}
    assert gateway.metric("kaiwa_session_ends_total", **labels) == 1


@pytest.mark.parametrize("moment", ["connected", "started", "spoke", "heard"])
async def test_a_call_that_is_cut_off_at_any_moment_leaves_nothing(
    gateway: Gateway, moment: str
) -> None:
    async with calling(gateway, None) as call:
        if moment != "connected":
            await call.start({})
        if moment == "spoke":
            await call.say(SILENCE)
        if moment == "heard":
            await hold(call, SILENCE * 4)
        await call.socket.close()
        await gateway.is_empty()


async def test_keys_marks_and_what_twilio_may_add_change_nothing(gateway: Gateway) -> None:
    async with calling(gateway, {}) as call:
        await call.press("1")
        await call.send("mark", mark={"name": "a"})
        await call.send("something new")
        await hold(call, SILENCE * 4)
        await call.hang_up()
    assert call.heard == [SILENCE] * 4


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("hello", "BAD_REQUEST: not a JSON object: 'hello'"),
        ("[" * 60_000, "BAD_REQUEST: not a JSON object"),
        ('{"event": "media", "media": {"payload": "?"}}', "BAD_FRAME: `payload` is not base64"),
        (
            '{"event": "media", "media": {"payload": "%s"}}' % ("A" * 1284),
            "PACKET_TOO_LARGE: a message has at most 960 samples (120 ms), this one has 963",
        ),
        (
            '{"event": "start", "start": {"streamSid": "MZ1", "mediaFormat": {"encoding": '
            '"audio/x-mulaw", "sampleRate": 8000, "channels": 1}}}',
            "CONFIG_REPEATED: a second `start`",
        ),
    ],
)
async def test_a_broken_message_ends_its_call_with_a_reason_and_no_other(
    gateway: Gateway, text: str, reason: str
) -> None:
    async with calling(gateway, {}) as broken, calling(gateway, {}) as other:
        await broken.socket.send_str(text)
        code, told = await broken.hear_to_the_end()
        assert code == Code.POLICY_VIOLATION
        assert told.startswith(reason) and len(told.encode()) <= 123
        await hold(other, SILENCE * 8)
        await other.hang_up()


async def test_a_binary_message_is_refused(gateway: Gateway) -> None:
    async with calling(gateway, {}) as call:
        await call.socket.send_bytes(SILENCE)
        code, reason = await call.hear_to_the_end()
    assert code == Code.POLICY_VIOLATION
    assert reason.startswith("BAD_REQUEST: a binary message")


async def test_a_message_over_64_kb_ends_the_call(gateway: Gateway) -> None:
    async with calling(gateway, {}) as call:
        await call.socket.send_str(" " * 65_537)
        assert (await call.hear_to_the_end())[0] == Code.MESSAGE_TOO_BIG
    await gateway.is_empty()


async def test_sound_before_the_start_is_refused(gateway: Gateway) -> None:
    async with calling(gateway, None) as call:
        await call.say(SILENCE)
        assert (await call.hear_to_the_end())[1].startswith("CONFIG_MISSING: sound came before")


async def test_a_call_whose_sound_never_starts_is_ended(gateway: Gateway) -> None:
    async with calling(gateway, None) as call:
        code, reason = await call.hear_to_the_end()
    assert code == Code.POLICY_VIOLATION
    assert reason.startswith("CONFIG_TIMEOUT: no message came within 0.3 s")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"mediaFormat": {"encoding": "audio/x-l16"}}, "UNSUPPORTED_AUDIO: a phone's sound is"),
        ({"customParameters": {"seed": "seven"}}, "BAD_SETTINGS: seed is 'seven': give a whole"),
        ({"customParameters": {"text_prompt": "Be kind"}}, "NOT_SUPPORTED: text_prompt: "),
    ],
)
async def test_a_start_that_asks_for_what_is_not_here_is_refused(
    gateway: Gateway, changes: dict[str, Any], reason: str
) -> None:
    async with calling(gateway, None) as call:
        await call.start({}, **changes)
        assert (await call.hear_to_the_end())[1].startswith(reason)


async def test_a_full_gateway_says_so_and_its_calls_go_on(gateway: Gateway) -> None:
    async with calling(gateway, {}) as first, calling(gateway, {}) as second:
        await hold(first, SILENCE * 4)
        await hold(second, SILENCE * 4)
        async with calling(gateway, {}) as third:
            code, reason = await third.hear_to_the_end()
        assert code == Code.TRY_AGAIN_LATER
        assert reason.startswith("FULL: all 2 conversations of this gateway are taken")
        await hold(first, SILENCE * 4)


async def test_services_behind_that_are_down_are_named(gateway: Gateway) -> None:
    gateway.codec.refusal = LmDown("the LM service at lm:50053 is gone")
    async with calling(gateway, {}) as call:
        end = await call.hear_to_the_end()
    assert end == (Code.TRY_AGAIN_LATER, "LM_DOWN: the LM service at lm:50053 is gone")


async def test_a_call_in_which_nothing_comes_is_ended() -> None:
    async with running_gateway(silence_s=0.2) as gateway, calling(gateway, {}) as call:
        assert (await call.hear_to_the_end())[1].startswith("CLIENT_SILENT: nothing came for 0.2")
        await gateway.is_empty()


async def test_a_gateway_that_drains_lets_calls_go_on_and_then_ends_them() -> None:
    async with running_gateway() as gateway, calling(gateway, {}) as call:
        await hold(call, SILENCE * 4)
        draining = asyncio.create_task(gateway.server.drain())
        await until(lambda: gateway.server.why_closed() is not None)
        await hold(call, SILENCE * 4)
        code, reason = await call.hear_to_the_end()
        assert code == Code.GOING_AWAY and reason.startswith("DRAINING: ")
        await draining
        await gateway.is_empty()


async def test_a_call_that_takes_nothing_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    # At the real size it would take minutes to fill what the kernel keeps for a slow reader.
    monkeypatch.setattr(
        "kaiwa_server.gateway.twilio_api.media_message", lambda sid, payload: "x" * 4_000_000
    )
    async with running_gateway(unread_s=0.2) as gateway, calling(gateway, {}) as call:
        inner = call.socket._response.connection
        assert inner is not None and inner.transport is not None
        inner.transport.pause_reading()  # type: ignore[attr-defined]
        for _ in range(4):
            await call.say(SILENCE)
        await gateway.is_empty()
        inner.transport.abort()  # type: ignore[attr-defined]


async def test_a_browser_is_told_what_the_path_is(gateway: Gateway) -> None:
    async with aiohttp.ClientSession() as session, session.get(url_of(gateway)) as response:
        assert response.status == 426 and "WebSocket" in await response.text()
