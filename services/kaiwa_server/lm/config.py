"""What the LM service can be told."""

from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from kaiwa_server.serving.model_config import ModelServiceConfig


class LmServiceConfig(ModelServiceConfig):
    """Serve Moshi, the language model: one step of every session in each 80 ms."""

    model_config = SettingsConfigDict(env_prefix="KAIWA_LM_", cli_prog_name="kaiwa-lm")

    port: int = Field(50053, description="Port of the gRPC service.", ge=0, le=65535)
    metrics_port: int = Field(
        9466, description="Port of the Prometheus metrics over HTTP; 0 is off.", ge=0, le=65535
    )
    kv: Literal["bf16", "int8"] = Field(
        "bf16",
        description="What a GPU keeps a session's keys and values in; int8 takes half the memory. "
        "A CPU goes by --precision.",
    )
