"""What `kaiwa-serve` can be told."""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from kaiwa_server.serving.gateway_options import GatewayOptions

Port = Annotated[int, Field(ge=1, le=65535)]


class StackConfig(GatewayOptions):
    """Start the LM, codec and gateway services on this machine and stop them together.

    What a service can be told besides, it is told by its own environment variables, such as
    KAIWA_GATEWAY_UNREAD_S: see `kaiwa-gateway --help`, `kaiwa-codec --help`, `kaiwa-lm --help`.
    """

    model_config = SettingsConfigDict(
        env_prefix="KAIWA_SERVE_",
        frozen=True,
        cli_kebab_case=True,
        cli_hide_none_type=True,
        cli_avoid_json=True,
        cli_show_env_vars=True,
        cli_prog_name="kaiwa-serve",
        protected_namespaces=(),
    )

    model_dir: Path | None = Field(
        None,
        description="Folder of a checkpoint in Kyutai's layout. Default: the embedded small model.",
    )
    hf_repo: str | None = Field(
        None,
        description="Hugging Face repository to download the checkpoint from instead, for instance "
        "kyutai/moshiko-pytorch-bf16.",
    )
    host: str = Field(
        "127.0.0.1",
        description="Address that clients reach the gateway at; 0.0.0.0 is every interface.",
    )
    gateway_port: Port = Field(50051, description="Port of the gateway's gRPC service.")
    http_port: Port = Field(8998, description="Port of the gateway's web page and WebSockets.")
    codec_port: Port = Field(50052, description="Port of the codec service, on loopback.")
    lm_port: Port = Field(50053, description="Port of the LM service, on loopback.")
    metrics_ports: tuple[Port, Port, Port] = Field(
        (9464, 9465, 9466),
        description="Metrics ports of gateway, codec and LM, on loopback: three numbers with "
        "commas between them, in the environment variable [in brackets].",
    )
    slots: int = Field(
        4,
        description="Sessions at once. 0 measures at the start how many this machine carries: the "
        "LM first, then the codec, each with half of the time that a service has by itself.",
        ge=0,
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Where the models run.")
    precision: Literal["fp32", "bf16", "int8"] = Field(
        "fp32",
        description="How a CPU keeps and multiplies weights; bf16 and int8 are faster for large "
        "models, and near fp32 but not equal to it.",
    )
    threads: int = Field(
        max(1, (os.cpu_count() or 1) // 2),
        description="CPU threads of one step, in codec and LM each. Default: half of the cores.",
        ge=1,
    )
    then: str | None = Field(
        None,
        description="Command to run once everything is ready; when it ends, the services stop, and "
        "its exit code is ours.",
    )
    start_timeout_s: float = Field(
        600.0, description="How long the services may take to get ready, in s.", gt=0
    )
    log_level: Literal["debug", "info", "warning", "error"] | None = Field(
        None,
        description="The least serious messages that the services log. Default: warning, or info "
        "where slots are measured, to show how.",
    )
