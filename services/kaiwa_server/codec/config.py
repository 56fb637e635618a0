"""What the codec service can be told."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from kaiwa_server.serving.model_config import ModelServiceConfig


class CodecServiceConfig(ModelServiceConfig):
    """Serve Mimi, the codec, and the conversations that run through it to the LM service."""

    model_config = SettingsConfigDict(env_prefix="KAIWA_CODEC_", cli_prog_name="kaiwa-codec")

    port: int = Field(50052, description="Port of the gRPC service.", ge=0, le=65535)
    metrics_port: int = Field(
        9465, description="Port of the Prometheus metrics over HTTP; 0 is off.", ge=0, le=65535
    )
    lm: str = Field("127.0.0.1:50053", description="Address of the LM service, host:port.")
    gather_ms: float = Field(
        0.0,
        description="The least time between two steps of the encoder, in ms for each session that "
        "is open, 20 in all at most: frames that come one by one are then encoded together, and go "
        "on together to the LM and back. 0 is the least delay, for a codec with processors of its "
        "own; where the services share them 0.6 saves a tenth of what codec and LM take.",
        ge=0,
    )
    lm_accept_s: float = Field(
        10.0, description="How long the LM service may take to accept a session, in s.", gt=0
    )
    lm_answer_s: float = Field(
        5.0, description="How long the LM service may leave a frame unanswered, in s.", gt=0
    )
