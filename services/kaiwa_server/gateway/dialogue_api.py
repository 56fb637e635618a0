"""A conversation in messages of the contract, whatever carries them."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Final, TypeVar

from kaiwa.v1 import dialogue_pb2

from kaiwa_server.audio import FRAME_MS, PcmFrame
from kaiwa_server.errors import ConfigMissing, UnsupportedAudio
from kaiwa_server.gateway.codec_link import CodecLink, CodecService
from kaiwa_server.gateway.event_api import event_message
from kaiwa_server.gateway.formats import (
    Coding,
    ConcealingDecoder,
    SoundDecoder,
    SoundEncoder,
    decoder_of,
    encoder_of,
)
from kaiwa_server.gateway.host import Host
from kaiwa_server.gateway.inputs import Input
from kaiwa_server.gateway.outputs import Output, Ready, Summary
from kaiwa_server.gateway.request_api import input_of, pace_of
from kaiwa_server.journal import TextPiece
from kaiwa_server.serving.calls import first_message

Request = dialogue_pb2.ConverseRequest
Response = dialogue_pb2.ConverseResponse
# The two have the same fields.
ResponseT = TypeVar("ResponseT", dialogue_pb2.ConverseResponse, dialogue_pb2.RenderResponse)

_CODINGS: Final = {
    dialogue_pb2.AUDIO_ENCODING_UNSPECIFIED: Coding.OPUS,
    dialogue_pb2.AUDIO_ENCODING_OPUS: Coding.OPUS,
    dialogue_pb2.AUDIO_ENCODING_PCM_S16LE: Coding.PCM_S16LE,
    dialogue_pb2.AUDIO_ENCODING_PCM_F32LE: Coding.PCM_F32LE,
    dialogue_pb2.AUDIO_ENCODING_OGG_OPUS: Coding.OGG_OPUS,
    dialogue_pb2.AUDIO_ENCODING_MULAW: Coding.MULAW,
    dialogue_pb2.AUDIO_ENCODING_ALAW: Coding.ALAW,
}


class Dialogue:
    """Holds conversations between a client's messages and the codec service.

    Args:
        codec: the codec service behind.
        host: where the conversations are held.
        first_message_timeout_s: how long the config may take to come.
    """

    def __init__(self, codec: CodecService, host: Host, first_message_timeout_s: float) -> None:
        self._codec = codec
        self._host = host
        self._first_message_timeout_s = first_message_timeout_s

    async def converse(
        self, call: str, requests: AsyncIterator[Request]
    ) -> AsyncGenerator[Response, None]:
        """Holds one conversation: answers to `requests`, whose end is the end of the user's side.

        Args:
            call: what the client called, for the metrics.
            requests: the client's messages, the config first.

        Raises:
            KaiwaError: the messages are not what they should be, or as `Host.converse`.
        """
        request = await first_message(requests, self._first_message_timeout_s)
        if request.WhichOneof("request") != "config":
            raise ConfigMissing("the first message is not `config`: send it first")
        config = request.config
        decoder = decoder_of(*format_of(config.input_format))
        encoder = encoder_of(*format_of(config.output_format))
        guess = decoder.conceal if isinstance(decoder, ConcealingDecoder) else None
        link = CodecLink(self._codec, config.settings)
        inputs = _inputs(requests, decoder)
        conversation = self._host.converse(
            call, link, inputs, pace_of(config), guess, config.record
        )
        async with aclosing(conversation) as outputs:
            async for output in outputs:
                yield response_of(output, encoder, Response)


def format_of(message: dialogue_pb2.AudioFormat) -> tuple[Coding, int]:
    """Gives the coding that a client names, and its rate in Hz, 0 for the default.

    Raises:
        UnsupportedAudio: it is not known here.
    """
    coding = _CODINGS.get(message.encoding)
    if coding is None:
        raise UnsupportedAudio(
            f"audio encoding {message.encoding} is not known here: "
            "send Opus, Ogg-Opus, PCM_S16LE, PCM_F32LE, MULAW or ALAW"
        )
    return coding, message.sample_rate_hz


async def _inputs(requests: AsyncIterator[Request], decoder: SoundDecoder) -> AsyncIterator[Input]:
    async for request in requests:
        yield input_of(request, decoder)


def response_of(output: Output, encoder: SoundEncoder, kind: type[ResponseT]) -> ResponseT:
    """Writes an output as a message of this kind; `encoder` writes Moshi's voice."""
    match output:
        case PcmFrame(index, samples):
            data = encoder.encode(samples)
            return kind(audio=dialogue_pb2.OutputAudio(frame_index=index, data=data))
        case TextPiece(step, text, starts_word):
            piece = dialogue_pb2.Text(
                text=text, starts_word=starts_word, step=step, time_ms=step * FRAME_MS
            )
            return kind(text=piece)
        case Ready():
            return kind(ready=_ready(output))
        case Summary():
            return kind(summary=_summary(output))
        case _:
            return kind(event=event_message(output))


def _ready(ready: Ready) -> dialogue_pb2.Ready:
    return dialogue_pb2.Ready(
        session_id=ready.session_id,
        seed=ready.seed,
        model_name=ready.model_name,
        model_fingerprint=ready.model_fingerprint,
        context_steps=ready.context_steps,
        recording_id=ready.recording_id,
    )


def _summary(summary: Summary) -> dialogue_pb2.Summary:
    return dialogue_pb2.Summary(
        frames_in=summary.frames_in,
        frames_out=summary.frames_out,
        frames_dropped=summary.frames_dropped,
        frames_late=summary.frames_late,
        turnaround_p50_ms=summary.turnaround_p50_ms,
        turnaround_p99_ms=summary.turnaround_p99_ms,
        seed=summary.seed,
        frames_concealed=summary.frames_concealed,
        voice_frames_dropped=summary.voice_frames_dropped,
    )
