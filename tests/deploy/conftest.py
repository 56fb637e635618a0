"""The deployment files, read, beside what the code says of the services."""

import shlex
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from kaiwa_server.codec.config import CodecServiceConfig
from kaiwa_server.gateway.config import GatewayConfig
from kaiwa_server.lm.config import LmServiceConfig
from kaiwa_server.serving.config import ServiceConfig

ROOT = Path(__file__).parents[2]
CONFIGS: dict[str, type[ServiceConfig]] = {
    "gateway": GatewayConfig,
    "codec": CodecServiceConfig,
    "lm": LmServiceConfig,
}

ReadConfig = Callable[[str, Mapping[str, str]], ServiceConfig]


@dataclass
class Stage:
    """One stage of a Dockerfile: its instructions as (keyword, argument), its base's included."""

    instructions: list[tuple[str, str]] = field(default_factory=list)

    def all(self, keyword: str) -> list[str]:
        return [argument for key, argument in self.instructions if key == keyword]

    def last(self, keyword: str) -> str:
        return self.all(keyword)[-1]

    @property
    def environment(self) -> dict[str, str]:
        return dict(pair.split("=", 1) for line in self.all("ENV") for pair in shlex.split(line))


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def project() -> dict[str, Any]:
    """The `project` table of pyproject.toml."""
    return dict(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"])


@pytest.fixture(scope="session")
def stages() -> dict[str, Stage]:
    """The stages of the Dockerfile."""
    stages: dict[str, Stage] = {}
    stage = Stage()
    lines = (ROOT / "deploy/Dockerfile").read_text().splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#"))
    for line in text.replace("\\\n", " ").splitlines():
        keyword, _, argument = line.partition(" ")
        if keyword == "FROM":
            base, _, name = argument.split()
            stage = stages[name] = Stage(list(stages[base].instructions) if base in stages else [])
        elif keyword:
            stage.instructions.append((keyword, argument.strip()))
    return stages


@pytest.fixture(scope="session")
def compose() -> dict[str, Any]:
    """The Compose file."""
    return dict(yaml.safe_load((ROOT / "docker-compose.yml").read_text()))


@pytest.fixture
def read_config(monkeypatch: pytest.MonkeyPatch) -> ReadConfig:
    """Reads a service's config from environment variables; each of ours has to be known."""

    def read(service: str, environment: Mapping[str, str]) -> ServiceConfig:
        known = {
            f"KAIWA_{name}_{setting}".upper()
            for name, config_class in CONFIGS.items()
            for setting in config_class.model_fields
        }
        ours = {name: value for name, value in environment.items() if name.startswith("KAIWA_")}
        assert ours.keys() <= known
        for name, value in ours.items():
            monkeypatch.setenv(name, value)
        return CONFIGS[service]()

    return read
