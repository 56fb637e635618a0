import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
from fake_twilio import PACKET_BYTES, SILENCE, PhoneCall, phone_call
from gateway.running_gateway import Gateway, running_gateway, until
from kaiwa.g711 import G711
from kaiwa_server.audio import PcmFrame
from kaiwa_server.errors import LmDown
from kaiwa_server.gateway.outputs import Flushed, Output
from kaiwa_server.gateway.twilio_api import _speak
from kaiwa_server.gateway.twilio_signature import read_signature
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


async def test_the_pound_key_has_what_is_not_yet_said_forgotten_here_and_at_twilio(
    gateway: Gateway,
) -> None:
    async with calling(gateway, {}) as call:
        await hold(call, SILENCE * 4)
        await call.press("#")
        assert await call.hear() is None and call.cleared_after == [4]
        await hold(call, SILENCE * 4)
        await call.hang_up()
    assert len(call.heard) == 8 and call.cleared_after == [4]


async def test_what_waits_to_be_said_is_not_said_after_a_clear() -> None:
    told: list[str] = []

    class Ear:
        async def send(self, message: str) -> None:
            told.append(json.loads(message)["event"])

    async def outputs() -> AsyncGenerator[Output, None]:
        for index in range(3):
            yield PcmFrame(index, np.full(1920, 0.1, np.float32))
        yield Flushed(3, 0)
        # Time for the packets that waited, if they still did.
        for _ in range(10):
            await asyncio.sleep(0)
        yield PcmFrame(3, np.full(1920, 0.1, np.float32))
        await until(lambda: told.count("media") >= 4)

    await _speak(outputs(), Ear(), "MZ1")  # type: ignore[arg-type]
    assert told == ["clear"] + ["media"] * 4


TOKEN = "0123456789abcdef"


def signed(url: str, token: str = TOKEN) -> dict[str, str]:
    """The header with which Twilio connects to this URL of a TwiML."""
    digest = hmac.new(token.encode(), url.encode(), hashlib.sha1).digest()
    return {"X-Twilio-Signature": base64.b64encode(digest).decode()}


@pytest.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[Gateway]:
    """A gateway that takes calls from one account only."""
    (tmp_path / "token").write_text(TOKEN + "\n")
    async with running_gateway(twilio_auth_token_file=tmp_path / "token") as gateway:
        yield gateway
        await gateway.is_empty()


@pytest.mark.parametrize("query", ["", "?a=b%20c&d"])
async def test_a_call_that_twilio_signed_is_taken(guarded: Gateway, query: str) -> None:
    url = url_of(guarded) + query
    headers = signed(url.replace("http://", "wss://"))
    async with phone_call(url, {}, headers) as call:
        await hold(call, SILENCE * 4)
        await call.hang_up()


@pytest.mark.parametrize("wrong", ["none", "token", "url", "scheme", "nonsense"])
async def test_a_call_that_twilio_did_not_sign_is_refused(guarded: Gateway, wrong: str) -> None:
    url = url_of(guarded)
    headers = {
        "none": {},
        "token": signed(url.replace("http://", "wss://"), "another"),
        "url": signed("wss://other.example/v1/twilio"),
        "scheme": signed(url),
        "nonsense": {"X-Twilio-Signature": "\u00e9"},
    }[wrong]
    async with aiohttp.ClientSession(headers=headers) as session:
        async with session.get(url) as response:
            assert response.status == 403
            assert "let a proxy pass Host and path on" in await response.text()
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            await session.ws_connect(url)


def test_an_auth_token_that_is_not_there_is_said_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="cannot read it"):
        read_signature(tmp_path / "none")
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(SystemExit, match="is empty: write the auth token"):
        read_signature(tmp_path / "empty")


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
