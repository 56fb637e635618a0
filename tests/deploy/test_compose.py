"""The Compose file and Prometheus's configuration against the images and the code."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

SERVICES = ("gateway", "codec", "lm")


@pytest.fixture
def configs(compose: dict[str, Any], stages: dict[str, Any], read_config: Any) -> dict[str, Any]:
    """What each service is told by its image and by Compose together."""
    return {
        name: read_config(
            name,
            stages[name].environment | compose["services"][name].get("environment", {}),
        )
        for name in SERVICES
    }


def test_each_service_finds_the_next(configs: dict[str, Any]) -> None:
    assert configs["gateway"].codec == f"codec:{configs['codec'].port}"
    assert configs["codec"].lm == f"lm:{configs['lm'].port}"


def test_services_that_share_a_machine_do_not_measure_what_it_carries(
    configs: dict[str, Any],
) -> None:
    assert (configs["codec"].slots, configs["lm"].slots) == (4, 4)


def test_each_service_is_built_as_the_image_of_this_version(
    compose: dict[str, Any], stages: dict[str, Any], project: dict[str, Any], root: Path
) -> None:
    for name in SERVICES:
        service = compose["services"][name]
        assert service["image"] == f"kaiwa-{name}:{project['version']}"
        assert service["build"]["target"] in stages
        assert (root / service["build"]["dockerfile"]).is_file()


def test_only_the_gateway_is_reached_from_outside_and_only_on_loopback(
    compose: dict[str, Any], configs: dict[str, Any]
) -> None:
    gateway = configs["gateway"]
    assert compose["services"]["gateway"]["ports"] == [
        f"127.0.0.1:{port}:{port}" for port in (gateway.port, gateway.http_port)
    ]
    assert not any("ports" in compose["services"][name] for name in ("codec", "lm"))


def test_a_stopping_service_is_given_the_time_that_it_gives_its_calls(
    compose: dict[str, Any], configs: dict[str, Any]
) -> None:
    for name, config in configs.items():
        grace_s = float(compose["services"][name]["stop_grace_period"].removesuffix("s"))
        assert grace_s > config.lame_duck_s + config.drain_s


def test_each_service_runs_without_privileges_and_not_as_process_1(compose: dict[str, Any]) -> None:
    for name in SERVICES:
        service = compose["services"][name]
        assert service["init"] and service["read_only"] and service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_prometheus_asks_every_service(configs: dict[str, Any], root: Path) -> None:
    prometheus = yaml.safe_load((root / "deploy/prometheus/prometheus.yml").read_text())
    targets = {
        job["job_name"]: job["static_configs"][0]["targets"] for job in prometheus["scrape_configs"]
    }
    assert targets == {
        f"kaiwa-{name}": [f"{name}:{config.metrics_port}"] for name, config in configs.items()
    }


@pytest.mark.parametrize(
    "command",
    [
        ["docker-compose", "--file", "docker-compose.yml", "config", "--quiet"],
        ["promtool", "check", "config", "deploy/prometheus/prometheus.yml"],
    ],
    ids=["docker-compose", "promtool"],
)
def test_the_tool_that_reads_the_file_accepts_it(command: list[str], root: Path) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    result = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
