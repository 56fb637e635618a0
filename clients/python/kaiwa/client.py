"""Talk with Moshi from Python: a conversation is one `async with` block.

    from kaiwa.client import Settings, connect

    async with connect("localhost:50051", encoding="pcm", settings=Settings(seed=7)) as talk:
        await talk.send(samples)        # float32 [n], mono, 24 kHz, as fast as it is recorded
        await talk.end()                # nothing more to say
        async for event in talk:        # Audio, Text, ..., Summary
            ...

A talk can be muted, put on hold, and its voice flushed; `sample` changes its temperatures.
`pace="fast"` is for files: the service then hears as fast as it can, and no sound is lost however
fast it is sent. `kaiwa.rendering` does all of that for a file that is there as a whole.

Speaking and listening go on at the same time in two tasks. To leave the block, or to cancel the
task that is in it, ends the call at once. What this module needs is grpcio and protobuf; numpy only
where samples are given or asked for.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import grpc

from kaiwa.events import Event, Ready
from kaiwa.open_call import OpenCall
from kaiwa.v1 import dialogue_pb2, dialogue_pb2_grpc, settings_pb2

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Encoding: TypeAlias = Literal["opus", "pcm", "pcm16", "mulaw", "alaw", "ogg"]
Pace: TypeAlias = Literal["live", "fast"]

SAMPLE_RATE_HZ = 24_000
MAX_MESSAGE_MS = 120  # the most that the service takes at once
ANSWER_WITHIN_S = 15.0

CHANNEL_OPTIONS = (
    # A conversation has a connection of its own: none waits for another one's bytes.
    ("grpc.use_local_subchannel_pool", 1),
    # A peer that is gone without a word is noticed within 15 s.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What a session asks of the model; what is None takes the service's default."""

    text_temperature: float | None = None
    """Temperature of the inner monologue, 0 to 5; 0 always takes the likeliest token."""
    text_top_k: int | None = None
    """How many of the likeliest text tokens are drawn from, 1 to 32,000."""
    audio_temperature: float | None = None
    """Temperature of the voice, 0 to 5; 0 always takes the likeliest token."""
    audio_top_k: int | None = None
    """How many of the likeliest audio tokens are drawn from, 1 to 2,048."""
    seed: int | None = None
    """Seed of the session's draws, 0 to 2^63 - 1: same seed and same input, same reply."""


@contextlib.asynccontextmanager
async def connect(
    target: str,
    *,
    encoding: Encoding = "opus",
    sample_rate_hz: int | None = None,
    settings: Settings | None = None,
    pace: Pace = "live",
    record: bool = False,
    answer_within_s: float = ANSWER_WITHIN_S,
) -> AsyncIterator[Talk]:
    """Opens a conversation with the gateway at `target` (host:port) and gives it once it is ready.

    `encoding` is how sound travels in both directions, mono: "pcm" are samples, 32-bit floats. All
    others are bytes: "opus" (one packet in each message), "ogg" (Ogg-Opus, cut anywhere), "pcm16"
    (16-bit integers, little-endian), "mulaw" and "alaw" (G.711, which `kaiwa.g711` writes and
    reads). `sample_rate_hz` is 24,000 if not said, for PCM also 8,000, 16,000 or 48,000; for G.711
    it is 8,000.

    `pace` is whose time the conversation keeps: "live" (a step every 80 ms; sound that is late is
    made up, and sound that is early left out) or "fast" (the model's, as fast as it can; `send`
    waits until there is room, so read the events at the same time).

    `record` has the service keep the conversation, where its operator permits that.

    Raises:
        KaiwaError: the service cannot be reached, is full, or refuses the settings or the rate.
    """
    async with grpc.aio.insecure_channel(target, options=CHANNEL_OPTIONS) as channel:
        call = dialogue_pb2_grpc.DialogueServiceStub(channel).Converse()
        try:
            opened = OpenCall[dialogue_pb2.ConverseRequest](call, target, encoding)
            config = _config(encoding, sample_rate_hz, settings or Settings(), pace)
            config.record = record
            request = dialogue_pb2.ConverseRequest(config=config)
            ready = await opened.open(request, answer_within_s)
            talk = Talk(opened, ready, encoding, sample_rate_hz or SAMPLE_RATE_HZ)
            yield talk
        finally:
            call.cancel()


class Talk:
    """An open conversation: `send` and `end` on one side, iteration over its events on the other.

    The two sides may be used by two tasks at once; each of them by one task.
    """

    ready: Ready
    """What the service said when it opened the conversation."""

    def __init__(
        self,
        call: OpenCall[dialogue_pb2.ConverseRequest],
        ready: Ready,
        encoding: Encoding,
        sample_rate_hz: int,
    ) -> None:
        self.ready = ready
        self._call = call
        self._encoding = encoding
        self._max_message_samples = sample_rate_hz * MAX_MESSAGE_MS // 1000
        self._half_closed = False

    async def send(self, sound: bytes | NDArray[np.float32]) -> None:
        """Sends the next piece of the user's sound: samples for "pcm", else a message's bytes.

        Samples are float32 [n] in [-1, 1], mono, of any length; bytes are at most 120 ms of sound.
        In a live conversation the service hears in real time: it drops what comes faster.

        Raises:
            KaiwaError: the call has failed or ended.
            TypeError: samples in a conversation of bytes, bytes in one of samples, or samples that
                are no mono floats.
            RuntimeError: `end` was called before.
        """
        for data in self._messages(sound):
            audio = dialogue_pb2.InputAudio(data=data)
            await self._ask(dialogue_pb2.ConverseRequest(audio=audio))

    async def mute(self, muted: bool) -> None:
        """Has the user heard as silence from here on, or no longer; a muted one need send nothing.

        Raises:
            KaiwaError: the call has failed or ended.
            RuntimeError: `end` was called before.
        """
        await self._ask(dialogue_pb2.ConverseRequest(mute=dialogue_pb2.Mute(muted=muted)))

    async def hold(self, held: bool) -> None:
        """Stops the conversation from here on, for 45 s at most, or lets it go on.

        While it is held Moshi neither hears nor speaks, and nothing need be sent.

        Raises:
            KaiwaError: the call has failed or ended.
            RuntimeError: `end` was called before.
        """
        await self._ask(dialogue_pb2.ConverseRequest(hold=dialogue_pb2.Hold(held=held)))

    async def flush(self) -> None:
        """Leaves out what is not yet on its way of Moshi's voice: to interrupt it.

        The event `Flushed` answers; what is played after it was spoken after it.

        Raises:
            KaiwaError: the call has failed or ended.
            RuntimeError: `end` was called before.
        """
        await self._ask(dialogue_pb2.ConverseRequest(flush=dialogue_pb2.Flush()))

    async def sample(
        self,
        *,
        text_temperature: float | None = None,
        text_top_k: int | None = None,
        audio_temperature: float | None = None,
        audio_top_k: int | None = None,
    ) -> None:
        """Has the model draw its tokens otherwise from here on; what is None stays as it is.

        See `Settings` for the limits: a value outside them ends the talk. The event
        `SamplingChanged` answers, and says from which step on.

        Raises:
            KaiwaError: the call has failed or ended.
            RuntimeError: `end` was called before.
        """
        settings = Settings(text_temperature, text_top_k, audio_temperature, audio_top_k)
        await self._ask(dialogue_pb2.ConverseRequest(settings=settings_message(settings)))

    async def end(self) -> None:
        """Says that nothing more will be said; what is owed and the summary still arrive."""
        self._half_closed = True
        await self._call.end()

    def __aiter__(self) -> Talk:
        return self

    async def __anext__(self) -> Event:
        """Gives the next event; the last one of a normal end is `Summary`.

        Raises:
            KaiwaError: the call failed or was cut off.
        """
        return await self._call.next_event()

    def _messages(self, sound: bytes | NDArray[np.float32]) -> Iterator[bytes]:
        if isinstance(sound, bytes) != (self._encoding != "pcm"):
            wanted = "samples (float32)" if self._encoding == "pcm" else "bytes"
            raise TypeError(
                f"a conversation in {self._encoding} takes {wanted}, not {type(sound).__name__}"
            )
        if isinstance(sound, bytes):
            yield sound
            return
        if sound.ndim != 1 or sound.dtype.kind != "f":
            text = f"samples are floats [n] in [-1, 1], not {sound.dtype} {list(sound.shape)}"
            raise TypeError(text)
        for start in range(0, len(sound), self._max_message_samples):
            yield sound[start : start + self._max_message_samples].astype("<f4").tobytes()

    async def _ask(self, request: dialogue_pb2.ConverseRequest) -> None:
        if self._half_closed:
            raise RuntimeError("nothing can be sent after end()")
        await self._call.write(request)


_ENCODINGS: Final = {
    "opus": dialogue_pb2.AUDIO_ENCODING_OPUS,
    "pcm": dialogue_pb2.AUDIO_ENCODING_PCM_F32LE,
    "pcm16": dialogue_pb2.AUDIO_ENCODING_PCM_S16LE,
    "mulaw": dialogue_pb2.AUDIO_ENCODING_MULAW,
    "alaw": dialogue_pb2.AUDIO_ENCODING_ALAW,
    "ogg": dialogue_pb2.AUDIO_ENCODING_OGG_OPUS,
}


def _config(
    encoding: Encoding, sample_rate_hz: int | None, settings: Settings, pace: Pace
) -> dialogue_pb2.ConverseConfig:
    audio_format = format_message(encoding, sample_rate_hz)
    return dialogue_pb2.ConverseConfig(
        input_format=audio_format,
        output_format=audio_format,
        settings=settings_message(settings),
        pace=dialogue_pb2.PACE_LIVE if pace == "live" else dialogue_pb2.PACE_FAST,
    )


def format_message(encoding: Encoding, sample_rate_hz: int | None) -> dialogue_pb2.AudioFormat:
    """Writes how sound travels; without a rate it is the encoding's own."""
    return dialogue_pb2.AudioFormat(
        encoding=_ENCODINGS[encoding], sample_rate_hz=sample_rate_hz or 0
    )


def settings_message(settings: Settings) -> settings_pb2.SessionSettings:
    """Writes what a session asks of the model."""
    return settings_pb2.SessionSettings(
        text_temperature=settings.text_temperature,
        text_top_k=settings.text_top_k,
        audio_temperature=settings.audio_temperature,
        audio_top_k=settings.audio_top_k,
        seed=settings.seed,
    )
