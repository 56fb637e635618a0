"""What the gateway can be told."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_settings import SettingsConfigDict

from kaiwa_server.gateway.origins import check_origin
from kaiwa_server.serving.config import ServiceConfig


class GatewayConfig(ServiceConfig):
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
    recordings: Path | None = Field(
        None,
        description="Folder for the recordings of those sessions that ask for one. Default: no "
        "session may be recorded.",
    )
    recordings_max_mb: int = Field(
        10_000, description="All recordings together, in MB; the oldest are removed first.", ge=1
    )
    recordings_max_days: float = Field(
        30.0, description="How long a recording is kept, in days.", gt=0
    )
    silence_s: float = Field(
        15.0, description="How long a client may send nothing before it is ended, in s.", gt=0
    )
    # The codec and LM services end a call that nothing comes to for 60 s.
    hold_s: float = Field(
        45.0,
        description="How long a client may hold its conversation, in s; for more, give the codec "
        "and the LM service a --silence-s that is longer still.",
        gt=0,
    )
    allow_origin: tuple[Annotated[str, AfterValidator(check_origin)], ...] = Field(
        (),
        description="Origin of a web page that may talk here, besides the gateway's own, such as "
        "https://voice.example.org; may be given again; * is any.",
    )
    prompts: Literal["ignore", "refuse"] = Field(
        "ignore",
        description="What becomes of a prompt at /api/chat that the loaded model does not follow: "
        "`ignore` tells the client and the log, `refuse` ends the call.",
    )
    twilio_auth_token_file: Path | None = Field(
        None,
        description="File with the auth token of a Twilio account; then phone calls are taken from "
        "that account only. Without it, from whoever connects.",
    )
