"""Twilio's side of a phone call: exactly the messages that Media Streams sends, and what it takes.

Source: https://www.twilio.com/docs/voice/media-streams/websocket-messages
"""

import base64
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

STREAM_SID = "MZ" + "0123456789abcdef" * 2
PACKET_BYTES = 160  # 20 ms of mu-law at 8 kHz
SILENCE = b"\xff" * PACKET_BYTES


@dataclass
class PhoneCall:
    """A call whose WebSocket is open."""

    socket: aiohttp.ClientWebSocketResponse
    sequence_number: int = 0
    chunk: int = 0
    heard: list[bytes] = field(default_factory=list)
    """What the caller was sent, in mu-law."""
    cleared_after: list[int] = field(default_factory=list)
    """At each `clear`, how many packets had come."""
    heard_at_s: list[float] = field(default_factory=list)

    async def send(self, event: str, **fields: Any) -> None:
        if event != "connected":
            self.sequence_number += 1
            fields = {"sequenceNumber": str(self.sequence_number), **fields}
            fields["streamSid"] = STREAM_SID
        await self.socket.send_str(json.dumps({"event": event, **fields}))

    async def connect(self) -> None:
        await self.send("connected", protocol="Call", version="1.0.0")

    async def start(self, parameters: Mapping[str, str], **changes: Any) -> None:
        start = {
            "accountSid": "AC" + "1" * 32,
            "streamSid": STREAM_SID,
            "callSid": "CA" + "2" * 32,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": dict(parameters),
            **changes,
        }
        await self.send("start", start=start)

    async def say(self, packet: bytes) -> None:
        """Says 20 ms of mu-law."""
        self.chunk += 1
        media = {
            "track": "inbound",
            "chunk": str(self.chunk),
            "timestamp": str(20 * self.chunk),
            "payload": base64.b64encode(packet).decode(),
        }
        await self.send("media", media=media)

    async def press(self, digit: str) -> None:
        await self.send("dtmf", dtmf={"track": "inbound_track", "digit": digit})

    async def hang_up(self) -> None:
        await self.send("stop", stop={"accountSid": "AC" + "1" * 32, "callSid": "CA" + "2" * 32})
        await self.socket.close()

    async def hear(self) -> tuple[int, str] | None:
        """Takes the next message; gives the close's code and reason if it was that."""
        message = await self.socket.receive()
        if message.type is not aiohttp.WSMsgType.TEXT:
            return self.socket.close_code or 0, str(message.extra or "")
        told = json.loads(message.data)
        if told == {"event": "clear", "streamSid": STREAM_SID}:
            self.cleared_after.append(len(self.heard))
            return None
        # Anything else Twilio answers with its error 31924 and the end of the call.
        assert told.keys() == {"event", "streamSid", "media"} and told["event"] == "media"
        assert told["streamSid"] == STREAM_SID and told["media"].keys() == {"payload"}
        self.heard.append(base64.b64decode(told["media"]["payload"], validate=True))
        self.heard_at_s.append(time.monotonic())
        return None

    async def hear_to_the_end(self) -> tuple[int, str]:
        while (end := await self.hear()) is None:
            pass
        return end


@asynccontextmanager
async def phone_call(
    url: str,
    parameters: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> AsyncIterator[PhoneCall]:
    """A call that has been answered; with None as parameters, its sound has not started yet."""
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.ws_connect(url) as socket,
    ):
        call = PhoneCall(socket)
        await call.connect()
        if parameters is not None:
            await call.start(parameters)
        yield call
