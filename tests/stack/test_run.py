"""What `kaiwa-serve` does while its services run, with services that the test makes up."""

import asyncio
import sys

import pytest
from kaiwa_server.stack.__main__ import run
from kaiwa_server.stack.config import StackConfig
from kaiwa_server.stack.processes import ServiceFailed


class FakeService:
    """A service that gets ready and ends when the test says so."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.started = asyncio.Event()
        self.ready = asyncio.Event()
        self.ended = asyncio.Event()

    async def start(self) -> None:
        self.started.set()

    async def wait_until_ready(self, timeout_s: float) -> None:
        await self.ready.wait()

    async def wait_until_ended(self) -> None:
        await self.ended.wait()
        raise ServiceFailed(f"{self.name} ended with exit code 1")


@pytest.fixture
def services() -> list[FakeService]:
    return [FakeService(name) for name in ("lm", "codec", "gateway")]


async def test_a_service_that_ends_while_another_loads_is_told_at_once(
    services: list[FakeService],
) -> None:
    services[2].ended.set()
    with pytest.raises(ServiceFailed, match="gateway ended with exit code 1"):
        await asyncio.wait_for(run(services, StackConfig()), 5)


async def test_services_with_a_given_number_of_slots_start_together(
    services: list[FakeService],
) -> None:
    running = asyncio.create_task(run(services, StackConfig(slots=4)))
    for service in services:
        await asyncio.wait_for(service.started.wait(), 5)
    assert not any(service.ready.is_set() for service in services)
    running.cancel()


async def test_services_that_measure_start_one_after_the_other(
    services: list[FakeService],
) -> None:
    running = asyncio.create_task(run(services, StackConfig(slots=0, then="true")))
    for index, service in enumerate(services):
        await asyncio.wait_for(service.started.wait(), 5)
        assert not any(later.started.is_set() for later in services[index + 1 :])
        service.ready.set()
    assert await asyncio.wait_for(running, 10) == 0


async def test_the_command_runs_once_all_are_ready_and_its_exit_code_is_ours(
    services: list[FakeService],
) -> None:
    running = asyncio.create_task(run(services, StackConfig(then=f"{sys.executable} -c exit(3)")))
    for service in services:
        await asyncio.sleep(0)
        assert not running.done()
        service.ready.set()
    assert await asyncio.wait_for(running, 10) == 3


async def test_a_service_that_ends_during_the_command_ends_it(services: list[FakeService]) -> None:
    for service in services:
        service.ready.set()
    sleeping = f"{sys.executable} -c 'import time; time.sleep(60)'"
    running = asyncio.create_task(run(services, StackConfig(then=sleeping)))
    await asyncio.sleep(0.2)
    services[0].ended.set()
    with pytest.raises(ServiceFailed, match="lm ended"):
        await asyncio.wait_for(running, 10)
