"""A whole gateway in this process, on free ports, in front of a fake codec service."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
from gateway.fake_codec import FakeCodec, FakeCodecServer
from kaiwa.v1 import codec_pb2_grpc, dialogue_pb2, dialogue_pb2_grpc
from kaiwa_server.gateway.codec_link import CodecService
from kaiwa_server.gateway.config import GatewayConfig
from kaiwa_server.gateway.dialogue_api import Dialogue
from kaiwa_server.gateway.grpc_api import DialogueServicer
from kaiwa_server.gateway.host import Host
from kaiwa_server.gateway.http_app import http_app
from kaiwa_server.gateway.http_server import serving_http
from kaiwa_server.gateway.metrics import GatewayMetrics
from kaiwa_server.gateway.origins import Origins
from kaiwa_server.gateway.recordings import open_recordings
from kaiwa_server.gateway.render_api import Renderer
from kaiwa_server.gateway.sockets import Sockets
from kaiwa_server.gateway.twilio_signature import read_signature
from kaiwa_server.serving.channels import open_channel
from kaiwa_server.serving.server import GrpcServer
from prometheus_client import CollectorRegistry

SETTLE_S = 5.0


@dataclass
class Gateway:
    """A running gateway and what stands behind it."""

    config: GatewayConfig
    codec_server: FakeCodecServer
    service: CodecService
    host: Host
    server: GrpcServer
    registry: CollectorRegistry
    address: str
    url: str

    @property
    def codec(self) -> FakeCodec:
        return self.codec_server.codec

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0

    async def is_empty(self) -> None:
        """Returns when nobody holds anything here or in the codec service, which must be soon."""
        await until(lambda: self.host.seats.taken == 0 and self.codec.calls == 0)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(SETTLE_S):
        while not condition():
            await asyncio.sleep(0.005)


async def until_nobody_is_held(gateway: Gateway, speak: Callable[[], Awaitable[None]]) -> None:
    """Speaks frame by frame, each when the one before it is heard, until the gateway gives up."""
    heard = gateway.codec.frames_heard
    while gateway.host.seats.taken:
        await speak()
        heard += 1
        await until(
            lambda heard=heard: gateway.codec.frames_heard >= heard or not gateway.host.seats.taken
        )
    await gateway.is_empty()


@asynccontextmanager
async def running_gateway(ready: bool = True, **settings: Any) -> AsyncIterator[Gateway]:
    async with AsyncExitStack() as running:
        codec_server = FakeCodecServer()
        await codec_server.start()
        running.push_async_callback(codec_server.die)
        defaults = {"port": 0, "http_port": 0, "metrics_port": 0, "drain_s": 0.2}
        config = GatewayConfig(**{**defaults, "codec": codec_server.address, **settings})
        channel = await running.enter_async_context(open_channel(config.codec))
        service = CodecService(
            codec_pb2_grpc.CodecServiceStub(channel),
            config.codec,
            config.codec_accept_s,
            config.codec_answer_s,
        )
        registry = CollectorRegistry()
        server = GrpcServer(config, ["kaiwa.v1.DialogueService"])
        host = Host(config, GatewayMetrics(registry), server.draining, open_recordings(config))
        dialogue = Dialogue(service, host, config.first_message_timeout_s)
        renderer = Renderer(service, host, config.first_message_timeout_s)
        server.add(
            dialogue_pb2_grpc.add_DialogueServiceServicer_to_server,
            DialogueServicer(dialogue, renderer, service, host),
        )
        sockets = Sockets(config.unread_s, server.why_closed, Origins(config.allow_origin))
        server.stop_together(sockets.stop)
        await server.start()
        running.push_async_callback(server.grpc.stop, 0)
        await server.set_ready(ready)
        signature = read_signature(config.twilio_auth_token_file)
        app = http_app(
            dialogue,
            service,
            host,
            sockets,
            config.first_message_timeout_s,
            signature,
            config.prompts == "ignore",
        )
        http = serving_http(app, config.host, config.http_port)
        http_port = await running.enter_async_context(http)
        running.push_async_callback(sockets.stop, 0)
        yield Gateway(
            config,
            codec_server,
            service,
            host,
            server,
            registry,
            f"127.0.0.1:{server.port}",
            f"http://127.0.0.1:{http_port}",
        )


PCM = dialogue_pb2.AudioFormat(encoding=dialogue_pb2.AUDIO_ENCODING_PCM_F32LE)
FRAME = np.linspace(-0.5, 0.5, 1920, dtype=np.float32)
FRAME_DATA = FRAME.astype("<f4").tobytes()


def config_message(
    input_format: dialogue_pb2.AudioFormat = PCM,
    output_format: dialogue_pb2.AudioFormat = PCM,
    pace: dialogue_pb2.Pace = dialogue_pb2.PACE_FAST,
    **settings: Any,
) -> dialogue_pb2.ConverseRequest:
    """The first message; most tests speak as fast as they are answered, and not in real time."""
    config = dialogue_pb2.ConverseConfig(
        input_format=input_format, output_format=output_format, pace=pace
    )
    for name, value in settings.items():
        setattr(config.settings, name, value)
    return dialogue_pb2.ConverseRequest(config=config)


def audio_message(data: bytes) -> dialogue_pb2.ConverseRequest:
    return dialogue_pb2.ConverseRequest(audio=dialogue_pb2.InputAudio(data=data))


@asynccontextmanager
async def dialogue(gateway: Gateway) -> AsyncIterator[Any]:
    """A call of `Converse`, on a connection of its own."""
    async with grpc.aio.insecure_channel(gateway.address) as channel:
        yield dialogue_pb2_grpc.DialogueServiceStub(channel).Converse()


async def read_all(call: Any) -> list[dialogue_pb2.ConverseResponse]:
    responses = []
    while (response := await call.read()) is not grpc.aio.EOF:
        responses.append(response)
    return responses


async def next_audio(call: Any) -> dialogue_pb2.OutputAudio:
    """The next frame of Moshi's voice, past all that comes before it."""
    while not (response := await call.read()).HasField("audio"):
        pass
    return response.audio


def events_of(
    responses: list[dialogue_pb2.ConverseResponse], kind: str
) -> list[dialogue_pb2.Event]:
    return [response.event for response in responses if response.event.HasField(kind)]


async def failure_of(call: Any) -> tuple[str, str, str]:
    """How the call ended: status, reason, sentence."""
    try:
        await read_all(call)
    except grpc.aio.AioRpcError as error:
        trailers = dict(error.trailing_metadata() or ())
        return error.code().name, trailers.get("kaiwa-reason", ""), error.details() or ""
    raise AssertionError("the call ended without an error")
