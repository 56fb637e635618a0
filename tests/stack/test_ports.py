import socket
from collections.abc import Iterator

import pytest
from kaiwa_server.serving.config import parse
from kaiwa_server.stack.config import StackConfig
from kaiwa_server.stack.ports import PortTaken, require_free
from stack_process import free_ports


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        yield int(holder.getsockname()[1])


def config_with(**ports: int) -> StackConfig:
    names = ("gateway_port", "http_port", "codec_port", "lm_port")
    *services, first, second, third = free_ports(7)
    chosen = dict(zip(names, services, strict=True)) | ports
    flags = [f"--{name.replace('_', '-')}={port}" for name, port in chosen.items()]
    return parse(StackConfig, [*flags, f"--metrics-ports={first},{second},{third}"])


def test_free_ports_stay_free() -> None:
    config = config_with()
    require_free(config)
    require_free(config)


@pytest.mark.parametrize("name", ["gateway_port", "http_port", "codec_port", "lm_port"])
def test_a_taken_port_is_named_with_the_flag_that_gives_another(name: str, taken_port: int) -> None:
    flag = f"--{name.replace('_', '-')}"
    with pytest.raises(PortTaken, match=f"127.0.0.1:{taken_port} .*{flag} gives another"):
        require_free(config_with(**{name: taken_port}))
