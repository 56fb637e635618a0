"""Have Moshi hear a file and give its reply, as fast as the model can.

    from kaiwa.rendering import render

    async with render("localhost:50051", samples) as reply:  # float32 [n], mono, 24 kHz
        async for event in reply:                            # Audio, Text, ..., Summary
            ...

The reply is as long as what is heard: silence, the file, silence. Nothing is made up or left out.
The file is sent in the background, as far as there is room for it; to leave the block, or to cancel
the task that is in it, ends the call at once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Literal, TypeAlias

import grpc

from kaiwa.client import (
    ANSWER_WITHIN_S,
    CHANNEL_OPTIONS,
    Encoding,
    Settings,
    format_message,
    settings_message,
)
from kaiwa.errors import KaiwaError
from kaiwa.events import Event, Ready
from kaiwa.open_call import OpenCall
from kaiwa.v1 import dialogue_pb2, dialogue_pb2_grpc

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FileEncoding: TypeAlias = Literal["pcm", "pcm16", "mulaw", "alaw", "ogg"]

MESSAGE_BYTES = 32_768


@contextlib.asynccontextmanager
async def render(
    target: str,
    sound: bytes | NDArray[np.float32],
    *,
    encoding: FileEncoding = "pcm",
    sample_rate_hz: int | None = None,
    reply_encoding: Encoding | None = None,
    settings: Settings | None = None,
    silence_before_s: float | None = None,
    silence_after_s: float | None = None,
    answer_within_s: float = ANSWER_WITHIN_S,
) -> AsyncIterator[Reply]:
    """Has the gateway at `target` (host:port) hear a file, and gives the reply once it begins.

    `sound` is float32 [n] in [-1, 1] for "pcm", mono, and for all others the file's bytes: an
    Ogg-Opus file, or samples without a header. `sample_rate_hz` is 24,000 if not said, for PCM also
    8,000, 16,000 or 48,000; for G.711 it is 8,000.

    `reply_encoding` is what Moshi's voice comes in, as the file if not said; then at its rate, else
    at the encoding's own.

    `silence_before_s` and `silence_after_s`, 0 to 60, are room for a greeting and for an answer; if
    not said, 3.5 and 8, which the service decides.

    Raises:
        KaiwaError: the service cannot be reached, is full, or refuses the settings or the rate.
        TypeError: samples where bytes are meant, bytes where samples are, or no mono floats.
    """
    data = _bytes_of(sound, encoding)
    voice = reply_encoding or encoding
    config = dialogue_pb2.RenderConfig(
        input_format=format_message(encoding, sample_rate_hz),
        output_format=format_message(voice, sample_rate_hz if voice == encoding else None),
        settings=settings_message(settings or Settings()),
        silence_before_ms=_ms(silence_before_s),
        silence_after_ms=_ms(silence_after_s),
    )
    async with grpc.aio.insecure_channel(target, options=CHANNEL_OPTIONS) as channel:
        call = dialogue_pb2_grpc.DialogueServiceStub(channel).Render()
        try:
            opened = OpenCall[dialogue_pb2.RenderRequest](call, target, voice)
            request = dialogue_pb2.RenderRequest(config=config)
            ready = await opened.open(request, answer_within_s)
            sending = asyncio.create_task(_send(opened, data))
            try:
                yield Reply(opened, ready)
            finally:
                sending.cancel()
                await asyncio.wait((sending,))
        finally:
            call.cancel()


def _ms(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)


class Reply:
    """What Moshi says to the file: iterate over its events, in one task."""

    def __init__(self, call: OpenCall[dialogue_pb2.RenderRequest], ready: Ready) -> None:
        self.ready = ready
        """What the service said when it opened the conversation."""
        self._call = call

    def __aiter__(self) -> Reply:
        return self

    async def __anext__(self) -> Event:
        """Gives the next event; the last one of a normal end is `Summary`.

        Raises:
            KaiwaError: the call failed or was cut off.
        """
        return await self._call.next_event()


async def _send(call: OpenCall[dialogue_pb2.RenderRequest], data: bytes) -> None:
    # What ended the call is told to the one who reads.
    with contextlib.suppress(KaiwaError):
        for message in _messages(data):
            await call.write(message)
        await call.end()


def _messages(data: bytes) -> Iterator[dialogue_pb2.RenderRequest]:
    for start in range(0, len(data), MESSAGE_BYTES):
        audio = dialogue_pb2.InputAudio(data=data[start : start + MESSAGE_BYTES])
        yield dialogue_pb2.RenderRequest(audio=audio)


def _bytes_of(sound: bytes | NDArray[np.float32], encoding: FileEncoding) -> bytes:
    if isinstance(sound, bytes) != (encoding != "pcm"):
        wanted = "samples (float32)" if encoding == "pcm" else "bytes"
        raise TypeError(f"a file in {encoding} is {wanted}, not {type(sound).__name__}")
    if isinstance(sound, bytes):
        return sound
    if sound.ndim != 1 or sound.dtype.kind != "f":
        text = f"samples are floats [n] in [-1, 1], not {sound.dtype} {list(sound.shape)}"
        raise TypeError(text)
    return sound.astype("<f4").tobytes()
