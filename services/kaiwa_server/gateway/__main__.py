"""`kaiwa-gateway`: the gateway's process, put together."""

import asyncio

import uvloop
from kaiwa.opus import OpusEncoder, OpusNotInstalled
from kaiwa.v1 import codec_pb2_grpc, dialogue_pb2_grpc
from prometheus_client import CollectorRegistry

from kaiwa_server.gateway.codec_link import CodecService
from kaiwa_server.gateway.config import GatewayConfig
from kaiwa_server.gateway.dialogue_api import Dialogue
from kaiwa_server.gateway.grpc_api import DialogueServicer
from kaiwa_server.gateway.host import Host
from kaiwa_server.gateway.http_app import http_app
from kaiwa_server.gateway.http_server import serving_http
from kaiwa_server.gateway.metrics import GatewayMetrics
from kaiwa_server.gateway.origins import Origins
from kaiwa_server.gateway.readiness import follow
from kaiwa_server.gateway.recordings import open_recordings
from kaiwa_server.gateway.render_api import Renderer
from kaiwa_server.gateway.sockets import Sockets
from kaiwa_server.gateway.twilio_signature import read_signature
from kaiwa_server.serving.channels import open_channel
from kaiwa_server.serving.config import parse
from kaiwa_server.serving.logs import configure_logs
from kaiwa_server.serving.metrics import serve_metrics
from kaiwa_server.serving.server import GrpcServer


def main() -> None:
    """Serves until SIGTERM or Ctrl-C."""
    config = parse(GatewayConfig)
    configure_logs(config.log_level, config.log_format)
    try:
        OpusEncoder()
    except OpusNotInstalled as error:
        raise SystemExit(f"kaiwa-gateway: {error}") from None
    uvloop.run(serve(config))


async def serve(config: GatewayConfig) -> None:
    """Listens at once, is ready when the services behind it are, ends when it is told to."""
    signature = read_signature(config.twilio_auth_token_file)
    registry = CollectorRegistry()
    metrics = GatewayMetrics(registry)
    if config.metrics_port:
        serve_metrics(config.host, config.metrics_port, registry)
    server = GrpcServer(config, ["kaiwa.v1.DialogueService"])
    recordings = open_recordings(config)
    async with open_channel(config.codec) as channel:
        codec = CodecService(
            codec_pb2_grpc.CodecServiceStub(channel),
            config.codec,
            config.codec_accept_s,
            config.codec_answer_s,
        )
        host = Host(config, metrics, server.draining, recordings)
        dialogue = Dialogue(codec, host, config.first_message_timeout_s)
        renderer = Renderer(codec, host, config.first_message_timeout_s)
        server.add(
            dialogue_pb2_grpc.add_DialogueServiceServicer_to_server,
            DialogueServicer(dialogue, renderer, codec, host),
        )
        sockets = Sockets(config.unread_s, server.why_closed, Origins(config.allow_origin))
        server.stop_together(sockets.stop)
        app = http_app(
            dialogue,
            codec,
            host,
            sockets,
            config.first_message_timeout_s,
            signature,
            config.prompts == "ignore",
        )
        async with serving_http(app, config.host, config.http_port):
            await server.start()
            async with asyncio.TaskGroup() as group:
                following = group.create_task(follow(codec, server))
                await server.run_until_signal()
                following.cancel()


if __name__ == "__main__":
    main()
