"""Kyutai's own command-line client, unchanged but for its microphone and loudspeaker."""

import asyncio
import importlib
import io
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from types import ModuleType
from typing import Any, Self
from urllib.parse import urlsplit

import numpy as np
import pytest
from gateway.running_gateway import Gateway, until
from numpy.typing import NDArray


class FakeStream:
    """A device of `sounddevice`: the test calls its callback."""

    def __init__(self, callback: Callable[..., None], **_: Any) -> None:
        self.callback = callback

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class FakeDevices(ModuleType):
    """The module `sounddevice` on a machine with one microphone and one loudspeaker."""

    microphone: FakeStream
    loudspeaker: FakeStream

    def InputStream(self, **settings: Any) -> FakeStream:
        self.microphone = FakeStream(**settings)
        return self.microphone

    def OutputStream(self, **settings: Any) -> FakeStream:
        self.loudspeaker = FakeStream(**settings)
        return self.loudspeaker

    def speak(self, samples: NDArray[np.float32]) -> None:
        self.microphone.callback(samples[:, None], len(samples), None, None)

    def listen(self) -> NDArray[np.float32]:
        sound = np.empty((1920, 1), np.float32)
        self.loudspeaker.callback(sound, 1920, None, None)
        return sound[:, 0]


@pytest.fixture
def devices(monkeypatch: pytest.MonkeyPatch) -> FakeDevices:
    fake = FakeDevices("sounddevice")
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    return fake


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch, devices: FakeDevices) -> Iterator[ModuleType]:
    """`moshi.client`, without the models that importing `moshi` itself would load."""
    spec = find_spec("moshi")
    assert spec is not None and spec.submodule_search_locations is not None
    package = ModuleType("moshi")
    package.__path__ = list(spec.submodule_search_locations)
    monkeypatch.setitem(sys.modules, "moshi", package)
    yield importlib.import_module("moshi.client")
    for name in ("moshi.client", "moshi.client_utils"):
        sys.modules.pop(name, None)


async def test_kyutais_client_is_heard_and_hears(
    gateway: Gateway, devices: FakeDevices, client: ModuleType
) -> None:
    gateway.codec.words = {2: ("Hel", True), 3: ("lo", False), 4: ("you", True)}
    words, errors = io.StringIO(), io.StringIO()
    place = urlsplit(gateway.url)
    arguments = Namespace(url=None, https=False, host=place.hostname, port=place.port)
    talking = asyncio.create_task(client.run(client.RawPrinter(words, errors), arguments))
    await until(lambda: gateway.host.seats.taken == 1)
    tone = (0.5 * np.sin(np.arange(1920) * 2 * np.pi * 22 / 1920)).astype(np.float32)
    for spoken in range(1, 7):
        devices.speak(tone)
        await until(lambda spoken=spoken: gateway.codec.frames_heard >= spoken)  # type: ignore[misc]
    await until(lambda: words.getvalue() == " Hello you")
    loudness = [np.sqrt((devices.listen() ** 2).mean()) for _ in range(4)]
    assert loudness[-1] == pytest.approx(0.5 / np.sqrt(2), rel=0.05)
    # This client does not know the handshake, which its own server sends too.
    complaints = [line for line in errors.getvalue().splitlines() if "Info" not in line]
    assert complaints == ["Warning: unknown message kind 0"]
    talking.cancel()
    await asyncio.gather(talking, return_exceptions=True)
