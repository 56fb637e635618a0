import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from gateway.running_gateway import (
    FRAME,
    FRAME_DATA,
    Gateway,
    running_gateway,
    until,
    until_nobody_is_held,
)
from hypothesis import given
from hypothesis import strategies as st
from kaiwa.opus import OpusDecoder, OpusEncoder
from kaiwa_server.errors import BadJson, BadSettings, LmDown
from kaiwa_server.gateway.json_api import request_of

Socket = aiohttp.ClientWebSocketResponse

PCM = {"encoding": "AUDIO_ENCODING_PCM_F32LE"}
FORMATS = {"inputFormat": PCM, "outputFormat": PCM}
# Most tests speak as fast as they are answered, and not in real time.
CONFIG = json.dumps({"config": {**FORMATS, "pace": "PACE_FAST"}})
LIVE_CONFIG = json.dumps({"config": FORMATS})
HALF_CLOSE = b""


@asynccontextmanager
async def socket_to(gateway: Gateway, **options: Any) -> AsyncIterator[Socket]:
    """A client that has connected and said nothing yet."""
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(f"{gateway.url}/v1/converse", **options) as connection:
            yield connection


def config(**settings: Any) -> str:
    return json.dumps({"config": {**FORMATS, "pace": "PACE_FAST", "settings": settings}})


async def next_sound(connection: Socket) -> bytes:
    """The next binary message, past the events."""
    while (message := await connection.receive()).type is aiohttp.WSMsgType.TEXT:
        assert "event" in json.loads(message.data)
    assert message.type is aiohttp.WSMsgType.BINARY
    return bytes(message.data)


async def all_of(connection: Socket) -> list[Any]:
    """Every message until the close: parsed text, or bytes."""
    messages = []
    async for message in connection:
        is_text = message.type is aiohttp.WSMsgType.TEXT
        messages.append(json.loads(message.data) if is_text else message.data)
    return messages


async def refusal_of(connection: Socket) -> tuple[str, str, int]:
    """Reason and sentence of the error that ends the conversation, and the code of the close."""
    *_, last = await all_of(connection)
    assert connection.close_code is not None
    return last["error"]["reason"], last["error"]["message"], connection.close_code


async def test_a_conversation_goes_from_ready_to_summary(gateway: Gateway) -> None:
    gateway.codec.words = {1: ("Hel", True), 2: ("lo", False)}
    async with socket_to(gateway) as connection:
        await connection.send_str(config(seed="11"))
        for _ in range(3):
            await connection.send_bytes(FRAME_DATA)
        await connection.send_bytes(HALF_CLOSE)
        ready, *between, summary = await all_of(connection)
        assert connection.close_code == aiohttp.WSCloseCode.OK
    assert ready["ready"]["modelName"] == "parrot" and ready["ready"]["seed"] == "11"
    assert [message for message in between if message == FRAME_DATA or "text" in message] == [
        {"text": {"text": "Hel", "startsWord": True, "step": "1", "timeMs": "80"}},
        FRAME_DATA,
        {"text": {"text": "lo", "startsWord": False, "step": "2", "timeMs": "160"}},
        FRAME_DATA,
        FRAME_DATA,
    ]
    assert summary["summary"]["framesIn"] == summary["summary"]["framesOut"] == "3"
    assert summary["summary"]["framesDropped"] == "0"


async def test_settings_are_those_of_the_contract_in_either_spelling(gateway: Gateway) -> None:
    async with socket_to(gateway) as connection:
        await connection.send_str(config(textTemperature=0, audio_top_k=9, seed=str(2**63 - 1)))
        await connection.receive_str()
    [settings] = gateway.codec.settings
    assert settings.text_temperature == 0 and settings.HasField("text_temperature")
    assert settings.audio_top_k == 9 and settings.seed == 2**63 - 1


async def test_settings_may_be_changed_in_mid_call(gateway: Gateway) -> None:
    async with socket_to(gateway) as connection:
        await connection.send_str(config(seed="11"))
        await connection.send_str(json.dumps({"settings": {"textTemperature": 0.5}}))
        await connection.send_bytes(FRAME_DATA)
        await connection.send_bytes(HALF_CLOSE)
        messages = await all_of(connection)
    told = [message for message in messages if isinstance(message, dict)]
    events = [message["event"] for message in told if "event" in message]
    [changed] = [event for event in events if "samplingChanged" in event]
    assert changed["step"] == "1" and changed["timeMs"] == "80"
    assert changed["samplingChanged"]["sampling"]["textTemperature"] == 0.5


async def test_sound_may_also_come_as_text(gateway: Gateway) -> None:
    audio = {"audio": {"data": base64.b64encode(FRAME_DATA).decode()}}
    async with socket_to(gateway) as connection:
        await connection.send_str(CONFIG)
        await connection.receive_str()
        await connection.send_str(json.dumps(audio))
        assert await next_sound(connection) == FRAME_DATA


async def test_opus_is_what_is_spoken_when_no_format_is_named(gateway: Gateway) -> None:
    async with socket_to(gateway) as connection:
        await connection.send_str('{"config": {}}')
        await connection.receive_str()
        await connection.send_bytes(OpusEncoder().encode(FRAME))
        assert OpusDecoder().decode(await next_sound(connection)).shape == (1920,)


async def test_the_client_is_told_what_was_left_out(gateway: Gateway) -> None:
    gateway.codec.freezes_at_step = 1
    async with socket_to(gateway, autoping=False) as connection:
        await connection.send_str(LIVE_CONFIG)
        await connection.receive_str()
        for _ in range(3):
            await connection.send_bytes(FRAME_DATA)
        await until(lambda: gateway.metric("kaiwa_frames_in_total") == 3)
        for _ in range(5):
            await connection.send_bytes(FRAME_DATA)
        # Messages are read in order: with the ping's answer, all the sound has been heard.
        await connection.ping()
        assert (await connection.receive()).type is aiohttp.WSMsgType.PONG
        gateway.codec.thaw.set()
        await connection.send_bytes(HALF_CLOSE)
        messages = [m for m in await all_of(connection) if isinstance(m, dict)]
    told = [message for message in messages if isinstance(message, dict)]
    events = [message["event"] for message in told if "event" in message]
    dropped = [event["framesDropped"] for event in events if "framesDropped" in event]
    assert dropped[-1]["totalFrames"] == messages[-1]["summary"]["framesDropped"] == "2"


DEEP = '{"config":' * 5_000 + "{}" + "}" * 5_000
CUT = '{"config": {"settings": {"seed": "'
MANY_DIGITS = '{"config": {"settings": {"seed": ' + "9" * 60_000 + "}}}"


@pytest.mark.parametrize(
    ("messages", "reason", "sentence"),
    [
        (["hello"], "BAD_JSON", "not a ConverseRequest in JSON"),
        ([""], "BAD_JSON", "not a ConverseRequest in JSON"),
        ([CUT], "BAD_JSON", "not a ConverseRequest in JSON"),
        (["null"], "BAD_JSON", "not a ConverseRequest in JSON"),
        (["[]"], "CONFIG_MISSING", "send it first"),
        (['["config"]'], "BAD_JSON", "not a ConverseRequest in JSON"),
        (['{"config": [1]}'], "BAD_JSON", "not a ConverseRequest in JSON"),
        (['{"config": 7}'], "BAD_JSON", "not a ConverseRequest in JSON"),
        (["7"], "BAD_JSON", "not a ConverseRequest in JSON"),
        (['{"config": {}, "config": {}}'], "BAD_JSON", "duplicate key"),
        (['{"config": {}, "audio": {}}'], "BAD_JSON", "oneof"),
        (['{"config": {"color": 1}}'], "BAD_JSON", '"color"'),
        (['{"\\ud800": 1}'], "BAD_JSON", "not a ConverseRequest in JSON"),
        (['{"config": {"settings": {"seed": {}}}}'], "BAD_JSON", "seed"),
        (['{"config": {"settings": {"seed": 1.5}}}'], "BAD_JSON", "seed"),
        (['{"config": {"settings": {"seed": "9223372036854775808"}}}'], "BAD_JSON", "seed"),
        (['{"config": {"settings": {"textTemperature": 1e999}}}'], "BAD_JSON", "textTemperature"),
        (['{"config": {"settings": {"textTemperature": "hot"}}}'], "BAD_JSON", "textTemperature"),
        (['{"config": {"inputFormat": {"encoding": "MP3"}}}'], "BAD_JSON", "MP3"),
        (['{"config": {"inputFormat": {"encoding": 77}}}'], "UNSUPPORTED_AUDIO", "77"),
        ([MANY_DIGITS], "BAD_JSON", "not a ConverseRequest in JSON"),
        ([DEEP], "BAD_JSON", "more than 16 brackets"),
        (["[" * 60_000], "BAD_JSON", "more than 16 brackets"),
        ([FRAME_DATA], "CONFIG_MISSING", "send it first"),
        ([HALF_CLOSE], "CONFIG_MISSING", "send the config first"),
        (["{}"], "CONFIG_MISSING", "send it first"),
        (['{"audio": {}}'], "CONFIG_MISSING", "send it first"),
        ([CONFIG, CONFIG], "CONFIG_REPEATED", "given once"),
        ([CONFIG, "{}"], "BAD_FRAME", "send `audio`"),
        ([CONFIG, '{"audio": {"data": "AQI"}}'], "BAD_FRAME", "2 bytes"),
        ([CONFIG, '{"audio": {"data": 7}}'], "BAD_JSON", "data"),
        ([CONFIG, bytes(3)], "BAD_FRAME", "3 bytes"),
        ([CONFIG, bytes(60_000)], "PACKET_TOO_LARGE", "120 ms"),
        (['{"config": {}}', b"\x01\x02\x03\x04"], "BAD_OPUS", "not an Opus"),
    ],
)
async def test_wrong_messages_are_refused_with_a_reason_and_a_sentence(
    gateway: Gateway, messages: list[str | bytes], reason: str, sentence: str
) -> None:
    async with socket_to(gateway) as connection:
        for message in messages:
            send = connection.send_str if isinstance(message, str) else connection.send_bytes
            await send(message)  # type: ignore[arg-type]
        told = await refusal_of(connection)
    assert told[0] == reason and sentence in told[1]
    assert len(told[1]) <= 300
    assert told[2] == aiohttp.WSCloseCode.POLICY_VIOLATION


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
NAMES = st.sampled_from(["config", "audio", "inputFormat", "settings", "seed", "data", "@type"])


@given(
    st.recursive(
        LEAVES,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    )
)
def test_any_json_is_a_message_or_refused(document: Any) -> None:
    try:
        request_of(json.dumps(document))
    except BadJson as error:
        assert str(error)


async def test_brackets_in_strings_are_no_nesting(gateway: Gateway) -> None:
    async with socket_to(gateway) as connection:
        await connection.send_str(json.dumps({"config": {"[" * 99 + '\\"' + "{" * 99: 1}}))
        assert "no field named" in (await refusal_of(connection))[1]


@pytest.mark.parametrize("flood", ["[" * 65_536, bytes(65_537)], ids=["text", "binary"])
async def test_a_message_over_64_kib_ends_the_conversation_unread(
    gateway: Gateway, flood: str | bytes
) -> None:
    async with socket_to(gateway) as connection:
        await connection.send_str(CONFIG)
        await connection.receive_str()
        send = connection.send_str if isinstance(flood, str) else connection.send_bytes
        await send(flood + flood[:1])  # type: ignore[arg-type, operator]
        await connection.receive()
        assert connection.close_code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG
    await gateway.is_empty()


async def test_a_client_that_says_nothing_is_told_to_send_the_config(gateway: Gateway) -> None:
    async with socket_to(gateway) as connection:
        reason, sentence, _ = await refusal_of(connection)
    assert reason == "CONFIG_TIMEOUT" and "within 0.3 s: send the config" in sentence


async def test_a_full_gateway_says_so_and_its_sessions_go_on(gateway: Gateway) -> None:
    async with (
        socket_to(gateway) as first,
        socket_to(gateway) as second,
        socket_to(gateway) as third,
    ):
        for connection in (first, second):
            await connection.send_str(CONFIG)
            assert "ready" in await connection.receive_json()
        await third.send_str(CONFIG)
        assert await third.receive_json() == {
            "error": {
                "status": "RESOURCE_EXHAUSTED",
                "reason": "FULL",
                "message": "all 2 conversations of this gateway are taken: try again later, or at "
                "another replica",
            }
        }
        assert (await third.receive()).data == aiohttp.WSCloseCode.TRY_AGAIN_LATER
        for connection in (first, second):
            await connection.send_bytes(FRAME_DATA)
            assert await next_sound(connection) == FRAME_DATA
    assert gateway.metric("kaiwa_admissions_total", call="/v1/converse", result="FULL") == 1


async def test_what_the_services_behind_refuse_is_told_in_their_words(gateway: Gateway) -> None:
    gateway.codec.refusal = BadSettings("text_temperature is 9.0: give one from 0 to 5")
    async with socket_to(gateway) as connection:
        await connection.send_str(config(textTemperature=9))
        reason, sentence, code = await refusal_of(connection)
    assert (reason, sentence) == ("BAD_SETTINGS", "text_temperature is 9.0: give one from 0 to 5")
    assert code == aiohttp.WSCloseCode.POLICY_VIOLATION
    gateway.codec.refusal = LmDown("the LM service at lm:50053 is gone")
    async with socket_to(gateway) as connection:
        await connection.send_str(CONFIG)
        reason, _, code = await refusal_of(connection)
    assert (reason, code) == ("LM_DOWN", aiohttp.WSCloseCode.TRY_AGAIN_LATER)


async def test_a_codec_service_that_dies_in_mid_call_is_named(gateway: Gateway) -> None:
    async with socket_to(gateway) as connection:
        await connection.send_str(CONFIG)
        await connection.receive_str()
        await gateway.codec_server.die()
        reason, sentence, _ = await refusal_of(connection)
    assert reason == "CODEC_DOWN" and "is gone" in sentence


async def test_a_gateway_that_is_not_ready_says_so() -> None:
    async with running_gateway(ready=False) as gateway, socket_to(gateway) as connection:
        assert (await refusal_of(connection))[0] == "NOT_READY"


async def test_a_gateway_that_drains_says_so_and_then_why_it_ends() -> None:
    async with running_gateway(lame_duck_s=0.1) as gateway, socket_to(gateway) as connection:
        await connection.send_str(CONFIG)
        await connection.receive_str()
        draining = asyncio.create_task(gateway.server.drain())
        event, error = await all_of(connection)
        assert event["event"]["goingAway"] == {"graceMs": "300"}
        assert error["error"]["reason"] == "DRAINING"
        assert connection.close_code == aiohttp.WSCloseCode.GOING_AWAY
        await draining
        await gateway.is_empty()


@pytest.mark.parametrize("moment", ["connected", "config", "ready", "spoke", "heard"])
@pytest.mark.parametrize("manner", ["close", "reset"])
async def test_a_client_that_vanishes_at_any_moment_leaves_nothing(
    gateway: Gateway, moment: str, manner: str
) -> None:
    async with socket_to(gateway) as connection:
        if moment != "connected":
            await connection.send_str(CONFIG)
        if moment in ("ready", "spoke", "heard"):
            await connection.receive_str()
        if moment in ("spoke", "heard"):
            await connection.send_bytes(FRAME_DATA)
        if moment == "heard":
            assert await next_sound(connection) == FRAME_DATA
        if manner == "reset":
            inner = connection._response.connection
            assert inner is not None and inner.transport is not None
            inner.transport.abort()
        else:
            await connection.close()
        await gateway.is_empty()


async def test_a_client_that_reads_nothing_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    # At the real size it would take minutes to fill what the kernel keeps for a slow reader.
    monkeypatch.setattr(
        "kaiwa_server.gateway.formats.PcmEncoder.encode", lambda self, samples: bytes(1_000_000)
    )
    async with running_gateway(unread_s=0.2) as gateway, socket_to(gateway) as connection:
        await connection.send_str(CONFIG)
        await connection.receive_str()
        inner = connection._response.connection
        assert inner is not None and isinstance(inner.transport, asyncio.Transport)
        inner.transport.pause_reading()
        await until_nobody_is_held(gateway, lambda: connection.send_bytes(FRAME_DATA))
        labels = {"call": "/v1/converse", "result": "SLOW_CONSUMER"}
        assert gateway.metric("kaiwa_session_ends_total", **labels) == 1
        inner.transport.abort()
