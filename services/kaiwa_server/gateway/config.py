"""What the gateway can be told."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from kaiwa_server.serving.config import ServiceConfig
from kaiwa_server.serving.gateway_options import GatewayOptions


class GatewayConfig(GatewayOptions, ServiceConfig):
    """Serve conversations to clients: gRPC, WebSockets with JSON, Kyutai's protocol, Twilio's."""

    model_config = SettingsConfigDict(env_prefix="KAIWA_GATEWAY_", cli_prog_name="kaiwa-gateway")

    port: int = Field(50051, description="Port of the gRPC service.", ge=0, le=65535)
    metrics_port: int = Field(
        9464, description="Port of the Prometheus metrics over HTTP; 0 is off.", ge=0, le=65535
    )
    http_port: int = Field(
        8998, description="Port of the web page and its WebSockets.", ge=0, le=65535
    )
    codec: str = Field("127.0.0.1:50052", description="Address of the codec service, host:port.")
    # Both are longer than what the codec service gives the LM service, so that of two services that
    # seem frozen the one that is gets named.
    codec_accept_s: float = Field(
        12.0, description="How long the codec service may take to accept a session, in s.", gt=0
    )
    codec_answer_s: float = Field(
        7.0, description="How long the codec service may leave a frame unanswered, in s.", gt=0
    )
    max_sessions: int = Field(64, description="Conversations at once.", ge=1)
