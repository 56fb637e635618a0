import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import numpy as np
import pytest
import sphn
from gateway.running_gateway import (
    FRAME,
    Gateway,
    running_gateway,
    until,
    until_nobody_is_held,
)
from kaiwa.opus import OpusEncoder
from kaiwa_server.errors import BadSettings, LmDown
from kaiwa_server.gateway.formats import OggOpusDecoder, OggOpusEncoder
from kaiwa_server.gateway.ogg import OggOpusWriter

Socket = aiohttp.ClientWebSocketResponse

HANDSHAKE, AUDIO, TEXT, CONTROL, METADATA, ERROR, PING = (bytes([kind]) for kind in range(7))


@asynccontextmanager
async def chat(gateway: Gateway, query: str = "") -> AsyncIterator[Socket]:
    """A client that has connected; the first message is still to be read."""
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(f"{gateway.url}/api/chat{query}") as connection:
            yield connection


def transport_of(connection: Socket) -> asyncio.Transport:
    inner = connection._response.connection
    assert inner is not None
    transport = inner.transport
    assert isinstance(transport, asyncio.Transport)
    return transport


async def refusal_of(connection: Socket) -> tuple[str, int]:
    """The error that ends the conversation, as text, and the code of the close after it."""
    error = ""
    async for message in connection:
        if message.data[:1] == ERROR:
            error = message.data[1:].decode()
    assert connection.close_code is not None
    return error, connection.close_code


async def test_a_conversation_goes_from_the_handshake_to_the_end_of_the_stream(
    gateway: Gateway,
) -> None:
    gateway.codec.words = {1: ("Hel", True), 2: ("lo", False)}
    encoder, decoder, text, heard = OggOpusEncoder(1), OggOpusDecoder(), "", 0
    async with chat(gateway) as connection:
        assert await connection.receive_bytes() == HANDSHAKE
        for _ in range(3):
            await connection.send_bytes(AUDIO + encoder.encode(FRAME))
        await connection.send_bytes(AUDIO + encoder.end())
        async for message in connection:
            kind, body = message.data[:1], message.data[1:]
            assert kind in (AUDIO, TEXT)
            if kind == TEXT:
                text += body.decode()
            else:
                heard += len(decoder.decode(body))
        assert connection.close_code == aiohttp.WSCloseCode.OK
    assert text == " Hello"
    assert heard == 3 * 1920 and decoder.ended


async def test_the_query_is_what_is_asked_of_the_model(gateway: Gateway) -> None:
    query = "?text_temperature=0.25&text_topk=9&audio_temperature=0&audio_topk=8&audio_seed=3"
    async with chat(
        gateway, query + "&text_seed=5&pad_mult=0&max_steps=&voice_prompt="
    ) as connection:
        assert await connection.receive_bytes() == HANDSHAKE
    [settings] = gateway.codec.settings
    assert settings.text_temperature == 0.25 and settings.text_top_k == 9
    assert settings.audio_temperature == 0 and settings.HasField("audio_temperature")
    assert settings.audio_top_k == 8 and settings.seed == 5


async def test_a_query_without_settings_leaves_all_to_the_defaults(gateway: Gateway) -> None:
    async with chat(gateway, "?seed=-1") as connection:
        await connection.receive_bytes()
    assert not gateway.codec.settings[0].ListFields()


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("?text_temperature=warm", "BAD_SETTINGS: text_temperature is 'warm': give a number"),
        ("?audio_topk=2.5", "BAD_SETTINGS: audio_topk is '2.5': give a whole number"),
        ("?text_topk=99999999999", "BAD_SETTINGS: a setting is far outside its limits"),
    ],
)
async def test_a_bad_query_is_answered_with_a_sentence(
    gateway: Gateway, query: str, sentence: str
) -> None:
    async with chat(gateway, query) as connection:
        error, code = await refusal_of(connection)
    assert error.startswith(sentence)
    assert code == aiohttp.WSCloseCode.POLICY_VIOLATION


PROMPTS = "?voice_prompt=NATF2.pt&text_prompt=You+are+kind"


async def test_prompts_that_are_not_followed_are_told_after_the_handshake(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    async with chat(gateway, PROMPTS) as connection:
        assert await connection.receive_bytes() == HANDSHAKE
        metadata = await connection.receive_bytes()
        assert metadata[:1] == METADATA
        assert json.loads(metadata[1:]) == {"not_followed": ["text_prompt", "voice_prompt"]}
        encoder = OggOpusEncoder(1)
        await connection.send_bytes(AUDIO + encoder.encode(FRAME))
        assert (await connection.receive_bytes())[:1] == AUDIO
    assert "text_prompt, voice_prompt: not followed by the loaded model" in caplog.messages
    assert "kind" not in caplog.text, "what is in a prompt is nobody's business"


async def test_prompts_are_refused_where_the_operator_says_so() -> None:
    async with running_gateway(prompts="refuse") as gateway, chat(gateway, PROMPTS) as connection:
        error, code = await refusal_of(connection)
    assert error.startswith("NOT_SUPPORTED: text_prompt: the loaded model follows no prompt")
    assert code == aiohttp.WSCloseCode.POLICY_VIOLATION


async def test_settings_that_the_model_refuses_are_answered_with_its_sentence(
    gateway: Gateway,
) -> None:
    gateway.codec.refusal = BadSettings("text_temperature is 9.0: give one from 0 to 5")
    async with chat(gateway, "?text_temperature=9") as connection:
        error, _ = await refusal_of(connection)
    assert error == "BAD_SETTINGS: text_temperature is 9.0: give one from 0 to 5"


def changed(page: bytes) -> bytes:
    return page[:-1] + bytes([page[-1] ^ 1])


HEADERS = OggOpusWriter(1, 24_000, 60).headers()
PACKET = OpusEncoder().encode(FRAME)


def stream_of(packet: bytes) -> bytes:
    writer = OggOpusWriter(1, 24_000, 60)
    return writer.headers() + writer.page(packet, 1920)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (PACKET, "BAD_OGG: an Ogg page begins with 'OggS'"),
        (stream_of(PACKET)[len(HEADERS) :], "BAD_OGG: Ogg page 2 of stream 1 does not belong here"),
        (changed(stream_of(PACKET)), "BAD_OGG: the checksum of Ogg page 2 is wrong"),
        (stream_of(b""), "BAD_OPUS: an Opus packet has at least one byte"),
        (stream_of(PACKET[:2]), "BAD_OPUS: not an Opus packet"),
        (stream_of(bytes(1501)), "PACKET_TOO_LARGE: an Opus packet has at most 1500 bytes"),
    ],
    ids=["raw opus", "no headers", "changed", "empty packet", "cut packet", "large packet"],
)
async def test_broken_sound_is_answered_with_a_sentence(
    gateway: Gateway, data: bytes, sentence: str
) -> None:
    async with chat(gateway) as connection:
        await connection.send_bytes(AUDIO + data)
        error, code = await refusal_of(connection)
    assert error.startswith(sentence)
    assert code == aiohttp.WSCloseCode.POLICY_VIOLATION
    await gateway.is_empty()


async def test_messages_of_other_kinds_are_passed_over(gateway: Gateway) -> None:
    encoder = OggOpusEncoder(1)
    async with chat(gateway) as connection:
        await connection.receive_bytes()
        for message in (b"", HANDSHAKE, CONTROL + b"\x00", METADATA + b"{}", PING, b"\x2a?"):
            await connection.send_bytes(message)
        await connection.send_bytes(AUDIO + encoder.encode(FRAME))
        assert (await connection.receive_bytes())[:1] == AUDIO


async def test_a_flood_of_sound_is_heard_one_message_a_turn(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn, decoded_in = 0, []
    decode = OggOpusDecoder.decode

    def counted(self: OggOpusDecoder, data: bytes) -> np.ndarray:
        decoded_in.append(turn)
        return decode(self, data)

    monkeypatch.setattr(OggOpusDecoder, "decode", counted)
    encoder = OggOpusEncoder(1)
    async with chat(gateway) as connection:
        await connection.receive_bytes()
        for _ in range(50):
            await connection.send_bytes(AUDIO + encoder.encode(FRAME))
        async with asyncio.timeout(5):
            while len(decoded_in) < 50:
                turn += 1
                await asyncio.sleep(0)
    assert len(set(decoded_in)) == 50


async def test_text_messages_are_refused(gateway: Gateway) -> None:
    async with chat(gateway) as connection:
        await connection.send_str("hello")
        error, _ = await refusal_of(connection)
    assert error == "BAD_REQUEST: a text message: the messages of this protocol are binary"


async def test_a_message_over_64_kb_ends_the_conversation(gateway: Gateway) -> None:
    async with chat(gateway) as connection:
        await connection.receive_bytes()
        await connection.send_bytes(AUDIO + bytes(65_536))
        await connection.receive()
        assert connection.close_code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG
    await gateway.is_empty()


async def test_a_full_gateway_is_not_shaken_hands_with(gateway: Gateway) -> None:
    async with chat(gateway) as first, chat(gateway) as second, chat(gateway) as third:
        for connection in (first, second):
            assert await connection.receive_bytes() == HANDSHAKE
        error, code = await refusal_of(third)
    assert error.startswith("FULL: all 2 conversations of this gateway are taken")
    assert code == aiohttp.WSCloseCode.TRY_AGAIN_LATER


async def test_services_behind_that_are_down_are_named(gateway: Gateway) -> None:
    gateway.codec.refusal = LmDown("the LM service at lm:50053 is gone")
    async with chat(gateway) as connection:
        error, code = await refusal_of(connection)
    assert error == "LM_DOWN: the LM service at lm:50053 is gone"
    assert code == aiohttp.WSCloseCode.TRY_AGAIN_LATER


async def test_a_gateway_that_is_not_ready_says_so() -> None:
    async with running_gateway(ready=False) as gateway, chat(gateway) as connection:
        assert (await refusal_of(connection))[0].startswith("NOT_READY: ")


async def test_a_silent_client_is_ended() -> None:
    async with running_gateway(silence_s=0.2) as gateway, chat(gateway) as connection:
        assert (await refusal_of(connection))[0].startswith("CLIENT_SILENT: nothing came for 0.2 s")
        await gateway.is_empty()


async def test_a_gateway_that_drains_lets_conversations_finish_and_then_ends_them() -> None:
    async with running_gateway() as gateway, chat(gateway) as connection:
        assert await connection.receive_bytes() == HANDSHAKE
        draining = asyncio.create_task(gateway.server.drain())
        await until(lambda: gateway.server.why_closed() is not None)
        assert gateway.host.seats.taken == 1
        error, code = await refusal_of(connection)
        assert error.startswith("DRAINING: ") and code == aiohttp.WSCloseCode.GOING_AWAY
        await draining
        await gateway.is_empty()


@pytest.mark.parametrize("moment", ["connected", "shaken", "spoke", "heard"])
@pytest.mark.parametrize("manner", ["close", "reset"])
async def test_a_client_that_vanishes_at_any_moment_leaves_nothing(
    gateway: Gateway, moment: str, manner: str
) -> None:
    async with chat(gateway) as connection:
        if moment != "connected":
            assert await connection.receive_bytes() == HANDSHAKE
        if moment in ("spoke", "heard"):
            await connection.send_bytes(AUDIO + OggOpusEncoder(1).encode(FRAME))
        if moment == "heard":
            assert (await connection.receive_bytes())[:1] == AUDIO
        if manner == "reset":
            transport = transport_of(connection)
            raw = transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()
        else:
            await connection.close()
        await gateway.is_empty()


async def test_a_client_that_reads_nothing_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    # At the real size it would take minutes to fill what the kernel keeps for a slow reader.
    monkeypatch.setattr(OggOpusEncoder, "encode", lambda self, samples: bytes(1_000_000))
    writer = sphn.OpusStreamWriter(24_000)
    async with running_gateway(unread_s=0.2) as gateway, chat(gateway) as connection:
        assert await connection.receive_bytes() == HANDSHAKE
        transport = transport_of(connection)
        transport.pause_reading()
        await until_nobody_is_held(
            gateway, lambda: connection.send_bytes(AUDIO + writer.append_pcm(FRAME))
        )
        labels = {"call": "/api/chat", "result": "SLOW_CONSUMER"}
        assert gateway.metric("kaiwa_session_ends_total", **labels) == 1
        transport.abort()


async def test_a_gateway_that_drains_does_not_wait_for_a_client_that_reads_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # More than the kernel keeps for a slow reader, and nothing waits for it before the close does.
    monkeypatch.setattr(OggOpusEncoder, "encode", lambda self, samples: bytes(20_000_000))
    monkeypatch.setattr("kaiwa_server.gateway.sockets.MAX_MESSAGE_BYTES", 100_000_000)
    monkeypatch.setattr("kaiwa_server.gateway.sockets.CLOSE_S", 0.2)
    writer = sphn.OpusStreamWriter(24_000)
    async with running_gateway(unread_s=60) as gateway, chat(gateway) as connection:
        assert await connection.receive_bytes() == HANDSHAKE
        transport = transport_of(connection)
        transport.pause_reading()
        await connection.send_bytes(AUDIO + writer.append_pcm(FRAME))
        await until(lambda: gateway.metric("kaiwa_frames_out_total") == 1)
        await asyncio.wait_for(gateway.server.drain(), 5)
        await gateway.is_empty()
        transport.abort()


async def test_a_client_that_answers_no_ping_is_ended(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kaiwa_server.gateway.sockets.HEARTBEAT_S", 0.1)
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(f"{gateway.url}/api/chat", autoping=False) as connection:
            assert await connection.receive_bytes() == HANDSHAKE
            assert gateway.host.seats.taken == 1
            assert (await connection.receive()).type is aiohttp.WSMsgType.PING
            await gateway.is_empty()


async def test_a_codec_service_that_dies_in_mid_call_is_named(gateway: Gateway) -> None:
    async with chat(gateway) as connection:
        assert await connection.receive_bytes() == HANDSHAKE
        await gateway.codec_server.die()
        error, code = await refusal_of(connection)
    assert error.startswith(f"CODEC_DOWN: the codec service at {gateway.config.codec} is gone")
    assert code == aiohttp.WSCloseCode.TRY_AGAIN_LATER


async def test_a_browser_is_told_what_is_here(gateway: Gateway) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{gateway.url}/api/chat") as response:
            assert response.status == 426 and "WebSocket" in await response.text()


async def test_kyutais_own_stream_is_heard_and_ours_is_heard_by_kyutais(gateway: Gateway) -> None:
    writer, reader, heard = sphn.OpusStreamWriter(24_000), sphn.OpusStreamReader(24_000), []
    sound = (0.5 * np.sin(np.arange(20 * 1920) * 0.1)).astype(np.float32)
    async with chat(gateway) as connection:
        await connection.receive_bytes()
        for frame in sound.reshape(-1, 1920):
            await connection.send_bytes(AUDIO + writer.append_pcm(frame))
            heard.append(reader.append_bytes((await connection.receive_bytes())[1:]))
    voice = np.concatenate(heard)
    assert len(voice) == len(sound)
    # The median, since on a busy machine a frame may come too late and be concealed.
    loudness = np.sqrt((voice.reshape(-1, 1920) ** 2).mean(axis=1))
    assert np.median(loudness) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)
