"""What every service that runs a model can be told."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from kaiwa_server.serving.config import ServiceConfig


class ModelServiceConfig(ServiceConfig):
    """What every service that runs a model can be told."""

    model_config = SettingsConfigDict(protected_namespaces=())

    model_dir: Path | None = Field(
        None,
        description="Folder of a checkpoint in Kyutai's layout. Default: the embedded small model.",
    )
    hf_repo: str | None = Field(
        None,
        description="Hugging Face repository to download the checkpoint from instead, for instance "
        "kyutai/moshiko-pytorch-bf16.",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="Where the model runs; auto takes the GPU if there is one."
    )
    precision: Literal["fp32", "bf16", "int8"] = Field(
        "fp32",
        description="What a CPU keeps weights in. bf16 is the faster for a large Mimi on a "
        "processor that multiplies it (avx512_bf16), int8 for a large LM; both are near fp32, not "
        "equal. A GPU's is its own.",
    )
    threads: int = Field(
        0, description="CPU threads of one step; 0 leaves the choice to torch.", ge=0
    )
    slots: int = Field(
        0,
        description="Sessions at once; each takes memory for its state. 0 measures at the start "
        "how many this machine carries, up to 64.",
        ge=0,
    )
    step_budget_ms: float = Field(
        64.0,
        description="Where slots are measured: how long 99 of 100 steps may take, in ms. A frame "
        "is 80 ms, which services on the same cores share.",
        gt=0,
    )
    silence_s: float = Field(
        60.0, description="How long a caller may send nothing before its call is ended, in s.", gt=0
    )
