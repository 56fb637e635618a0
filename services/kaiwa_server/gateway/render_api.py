"""`Render`: a file heard as fast as the model can, as a conversation that has no controls."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import numpy as np
from kaiwa.v1 import dialogue_pb2

from kaiwa_server.audio import FRAME_SAMPLES, SAMPLE_RATE_HZ
from kaiwa_server.errors import BadFrame, BadSettings, ConfigMissing, ConfigRepeated
from kaiwa_server.gateway.codec_link import CodecLink, CodecService
from kaiwa_server.gateway.dialogue_api import format_of, response_of
from kaiwa_server.gateway.formats import Samples, decoder_of, encoder_of
from kaiwa_server.gateway.host import Host
from kaiwa_server.gateway.pace import Pace
from kaiwa_server.gateway.whole_file import FileDecoder, file_decoder_of
from kaiwa_server.serving.calls import first_message

Request = dialogue_pb2.RenderRequest
Response = dialogue_pb2.RenderResponse

# The small model greets for 2.5 s and answers for 6 s at most.
SILENCE_BEFORE_MS = 3_500
SILENCE_AFTER_MS = 8_000
MAX_SILENCE_MS = 60_000


class Renderer:
    """Renders files between a client's messages and the codec service.

    Args:
        codec: the codec service behind.
        host: where the conversations are held.
        first_message_timeout_s: how long the config may take to come.
    """

    def __init__(self, codec: CodecService, host: Host, first_message_timeout_s: float) -> None:
        self._codec = codec
        self._host = host
        self._first_message_timeout_s = first_message_timeout_s

    async def render(self, requests: AsyncIterator[Request]) -> AsyncGenerator[Response, None]:
        """Renders one file: answers to `requests`, whose end is the end of the file.

        Raises:
            KaiwaError: the messages are not what they should be, or as `Host.converse`.
        """
        request = await first_message(requests, self._first_message_timeout_s)
        if request.WhichOneof("request") != "config":
            raise ConfigMissing("the first message is not `config`: send it first")
        config = request.config
        file = file_decoder_of(decoder_of(*format_of(config.input_format)))
        encoder = encoder_of(*format_of(config.output_format))
        before, after = _silences(config)
        link = CodecLink(self._codec, config.settings)
        sounds = _sounds(requests, file, before, after)
        conversation = self._host.converse("Render", link, sounds, Pace.FAST)
        async with aclosing(conversation) as outputs:
            async for output in outputs:
                yield response_of(output, encoder, Response)


def _silences(config: dialogue_pb2.RenderConfig) -> tuple[int, int]:
    """Gives how many samples of silence stand before and after the file."""
    before_ms = (
        config.silence_before_ms if config.HasField("silence_before_ms") else SILENCE_BEFORE_MS
    )
    after_ms = config.silence_after_ms if config.HasField("silence_after_ms") else SILENCE_AFTER_MS
    for name, silence_ms in (("before", before_ms), ("after", after_ms)):
        if not 0 <= silence_ms <= MAX_SILENCE_MS:
            raise BadSettings(
                f"silence_{name}_ms is {silence_ms}: give 0 to {MAX_SILENCE_MS}, in ms"
            )
    return before_ms * SAMPLE_RATE_HZ // 1000, after_ms * SAMPLE_RATE_HZ // 1000


async def _sounds(
    requests: AsyncIterator[Request], file: FileDecoder, before: int, after: int
) -> AsyncIterator[Samples]:
    for silence in _silence(before):
        yield silence
    async for request in requests:
        for samples in file.decode(_data_of(request)):
            yield samples
    for samples in file.end():
        yield samples
    for silence in _silence(after):
        yield silence


def _silence(samples: int) -> list[Samples]:
    """Gives so many samples of silence, in frames: each waits until there is room for it."""
    frames, rest = divmod(samples, FRAME_SAMPLES)
    return [np.zeros(size, np.float32) for size in (*[FRAME_SAMPLES] * frames, rest)]


def _data_of(request: Request) -> bytes:
    match request.WhichOneof("request"):
        case "audio":
            return request.audio.data
        case "config":
            raise ConfigRepeated("a second `config`: settings hold for the whole call")
        case _:
            raise BadFrame("a message without sound: send `audio`")
