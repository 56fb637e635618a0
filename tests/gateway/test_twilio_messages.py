import base64
import json
from typing import Any

import pytest
from kaiwa_server.errors import BadFrame, BadRequest, KaiwaError, UnsupportedAudio
from kaiwa_server.gateway.twilio_messages import (
    FlushKey,
    Media,
    Start,
    Stop,
    clear_message,
    media_message,
    read_message,
)

MULAW = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}


def start(**changes: Any) -> str:
    """The message as Twilio documents it, with changes to what is in `start`."""
    inner = {
        "accountSid": "AC0",
        "streamSid": "MZ1",
        "callSid": "CA2",
        "tracks": ["inbound"],
        "mediaFormat": MULAW,
        "customParameters": {"seed": "7"},
        **changes,
    }
    outer = {"event": "start", "sequenceNumber": "1", "start": inner, "streamSid": "MZ1"}
    return json.dumps(outer)


def media(**inner: Any) -> str:
    return json.dumps(
        {
            "event": "media",
            "sequenceNumber": "3",
            "media": {"chunk": "1", "timestamp": "5", **inner},
            "streamSid": "MZ1",
        }
    )


def test_the_start_names_the_stream_and_the_parameters() -> None:
    assert read_message(start()) == Start("MZ1", {"seed": "7"})


def test_the_pound_key_is_a_message_of_its_own() -> None:
    dtmf = {"event": "dtmf", "dtmf": {"track": "inbound_track", "digit": "#"}, "streamSid": "MZ1"}
    assert read_message(json.dumps(dtmf)) == FlushKey()


def test_a_clear_names_its_stream_and_nothing_else() -> None:
    assert json.loads(clear_message("MZ1")) == {"event": "clear", "streamSid": "MZ1"}


def test_sound_is_what_its_payload_says() -> None:
    payload = base64.b64encode(bytes(range(160))).decode()
    assert read_message(media(track="inbound", payload=payload)) == Media(bytes(range(160)))


def test_the_stop_ends_the_call() -> None:
    text = '{"event": "stop", "sequenceNumber": "5", "stop": {"callSid": "CA2"}}'
    assert read_message(text) == Stop()


@pytest.mark.parametrize(
    "text",
    [
        '{"event": "connected", "protocol": "Call", "version": "1.0.0"}',
        '{"event": "mark", "sequenceNumber": "4", "streamSid": "MZ1", "mark": {"name": "a"}}',
        '{"event": "dtmf", "streamSid": "MZ1", "dtmf": {"track": "inbound_track", "digit": "1"}}',
        '{"event": "what Twilio may add", "streamSid": "MZ1"}',
        media(track="outbound", payload="////"),
    ],
)
def test_what_asks_nothing_of_us_is_passed_over(text: str) -> None:
    assert read_message(text) is None


def test_our_sound_is_a_media_message() -> None:
    assert json.loads(media_message("MZ1", b"\xff\x00")) == {
        "event": "media",
        "streamSid": "MZ1",
        "media": {"payload": "/wA="},
    }


@pytest.mark.parametrize(
    ("text", "error", "sentence"),
    [
        ("", BadRequest, "not a JSON object: ''"),
        ("hello", BadRequest, "not a JSON object: 'hello'"),
        ("[1]", BadRequest, "not a JSON object"),
        ("[" * 60_000, BadRequest, "not a JSON object"),
        ('{"event":' * 7_000, BadRequest, "not a JSON object"),
        ("9" * 60_000, BadRequest, "not a JSON object"),
        ("{}", BadRequest, "`event` is missing, or no text"),
        ('{"event": 3}', BadRequest, "`event` is missing, or no text"),
        ('{"event": "start"}', BadRequest, "`start` is missing, or no object"),
        ('{"event": "media", "media": []}', BadRequest, "`media` is missing, or no object"),
        (start(streamSid=None), BadRequest, "`streamSid` is missing, or no text"),
        (start(streamSid="M" * 65), BadRequest, "`streamSid` has more than 64 characters"),
        (start(mediaFormat=None), BadRequest, "`mediaFormat` is missing, or no object"),
        (start(mediaFormat={**MULAW, "sampleRate": 16000}), UnsupportedAudio, "8000 Hz"),
        (start(mediaFormat={**MULAW, "encoding": "audio/l16"}), UnsupportedAudio, "x-mulaw"),
        (start(mediaFormat={**MULAW, "channels": 2}), UnsupportedAudio, "one channel"),
        (start(customParameters=["seed"]), BadRequest, "`customParameters` is not"),
        (start(customParameters={"seed": 7}), BadRequest, "`customParameters` is not"),
        (media(track="inbound"), BadRequest, "`payload` is missing"),
        (media(payload="???"), BadFrame, "`payload` is not base64"),
        (media(payload="é"), BadFrame, "`payload` is not base64"),
    ],
)
def test_a_broken_message_is_refused_with_its_reason(
    text: str, error: type[KaiwaError], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        read_message(text)
