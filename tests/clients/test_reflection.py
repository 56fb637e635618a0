"""Server reflection, asked by grpcurl as clients/README.md shows it, and by Python."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from stack_process import Stack

ROOT = Path(__file__).parents[2]
SHOWN = re.compile(r"^\$ (grpcurl .+)\n((?:(?!\$ |```).+\n)*)", re.MULTILINE)


def shown(page: str) -> list[tuple[str, list[str]]]:
    """The grpcurl commands of a page, each with the lines of its answer that the page shows."""
    found = SHOWN.findall((ROOT / page).read_text())
    return [(command, answer.splitlines()) for command, answer in found]


@pytest.fixture(scope="session")
def grpcurl() -> str:
    """The program, where it is installed and made for this machine."""
    path = shutil.which("grpcurl", path=Path(sys.executable).parent) or shutil.which("grpcurl")
    if path is None or subprocess.run([path, "-version"], capture_output=True).returncode != 0:
        pytest.skip("needs grpcurl")
    return path


@pytest.mark.parametrize("command, answer", shown("clients/README.md") + shown("README.md"))
def test_grpcurl_gets_what_the_pages_show_without_a_proto_file(
    command: str, answer: list[str], grpcurl: str, stack: Stack, tmp_path: Path
) -> None:
    arguments = shlex.split(command.replace("localhost:50051", stack.gateway))[1:]
    ran = subprocess.run([grpcurl, *arguments], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert [line for line in ran.stdout.splitlines() if line in answer] == answer


def test_each_service_tells_its_contract(stack: Stack) -> None:
    services = {"Dialogue": stack.gateway, "Codec": stack.codec, "Lm": stack.lm}
    for name, address in services.items():
        with grpc.insecure_channel(address) as channel:
            database = ProtoReflectionDescriptorDatabase(channel)
            assert f"kaiwa.v1.{name}Service" in database.get_services()
            contract = database.FindFileContainingSymbol(f"kaiwa.v1.{name}Service")
            assert [service.name for service in contract.service] == [f"{name}Service"]
