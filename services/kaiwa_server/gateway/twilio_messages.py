"""The messages of Twilio Media Streams, without I/O: JSON to values and back.

Source: https://www.twilio.com/docs/voice/media-streams/websocket-messages
"""

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any, TypeVar

from kaiwa_server.errors import BadFrame, BadRequest, UnsupportedAudio

MEDIA_FORMAT = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}

FLUSH_KEY = "#"
MAX_STREAM_SID_CHARACTERS = 64  # Twilio's has 34

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Start:
    """The phone call's sound begins; `parameters` are those of the TwiML."""

    stream_sid: str
    parameters: dict[str, str]


@dataclass(frozen=True, slots=True)
class Media:
    """What the caller says, in mu-law at 8 kHz; usually 20 ms, 160 bytes."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class FlushKey:
    """The caller pressed `#`, the key that has Moshi's waiting voice left out."""


@dataclass(frozen=True, slots=True)
class Stop:
    """The phone call is over, or its sound goes elsewhere."""


Message = Start | Media | FlushKey | Stop


def read_message(text: str) -> Message | None:
    """Gives a message's values; None for one that asks nothing of us.

    Such are `connected`, `mark`, other keys than `#`, sound that the caller hears, and what Twilio
    may add.

    Raises:
        BadRequest: not one of Twilio's messages.
        BadFrame: its sound is not base64.
        UnsupportedAudio: sound other than mu-law at 8 kHz.
    """
    message = _parse(text)
    match _field(message, "event", str):
        case "start":
            return _start(_field(message, "start", dict))
        case "media":
            return _media(_field(message, "media", dict))
        case "dtmf":
            digit = _field(_field(message, "dtmf", dict), "digit", str)
            return FlushKey() if digit == FLUSH_KEY else None
        case "stop":
            return Stop()
        case _:
            return None


def media_message(stream_sid: str, payload: bytes) -> str:
    """Gives the message that says mu-law at 8 kHz to the caller."""
    media = {"payload": base64.b64encode(payload).decode()}
    return json.dumps({"event": "media", "streamSid": stream_sid, "media": media})


def clear_message(stream_sid: str) -> str:
    """Gives the message that has Twilio forget what it has not yet said to the caller."""
    return json.dumps({"event": "clear", "streamSid": stream_sid})


def _parse(text: str) -> dict[str, Any]:
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        message = None
    if not isinstance(message, dict):
        raise BadRequest(f"not a JSON object: {text[:40]!r}")
    return message


def _start(start: dict[str, Any]) -> Start:
    media_format = _field(start, "mediaFormat", dict)
    if any(media_format.get(name) != value for name, value in MEDIA_FORMAT.items()):
        raise UnsupportedAudio("a phone's sound is audio/x-mulaw, 8000 Hz, one channel")
    parameters = start.get("customParameters", {})
    if not isinstance(parameters, dict) or not all(
        isinstance(value, str) for value in parameters.values()
    ):
        raise BadRequest("`customParameters` is not an object of texts")
    stream_sid = _field(start, "streamSid", str)
    if len(stream_sid) > MAX_STREAM_SID_CHARACTERS:
        raise BadRequest(f"`streamSid` has more than {MAX_STREAM_SID_CHARACTERS} characters")
    return Start(stream_sid, parameters)


def _media(media: dict[str, Any]) -> Media | None:
    if media.get("track", "inbound") != "inbound":
        return None
    try:
        return Media(base64.b64decode(_field(media, "payload", str), validate=True))
    except (binascii.Error, ValueError):
        raise BadFrame("`payload` is not base64") from None


def _field(message: dict[str, Any], name: str, kind: type[T]) -> T:
    value = message.get(name)
    if not isinstance(value, kind):
        raise BadRequest(f"`{name}` is missing, or no {_KINDS[kind]}")
    return value


_KINDS: dict[type, str] = {str: "text", dict: "object"}
