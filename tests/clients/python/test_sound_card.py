"""The sound card, with a fake one that a test turns by hand."""

import asyncio
import sys
import threading
import types
from collections.abc import Awaitable, Callable

import numpy as np
import pytest
from clients.python.fake_dialogue import FakeDialogue, tone
from kaiwa.cli.coder import open_coder
from kaiwa.cli.conversation import Conversation
from kaiwa.cli.errors import CannotDo
from kaiwa.cli.measure import figures_of
from kaiwa.cli.recording import Recording
from kaiwa.cli.sound_card import MAX_WAITING_PACKETS, Callback, SoundCard, find_sound_card
from kaiwa.client import connect
from kaiwa.events import Event
from numpy.typing import NDArray

Serve = Callable[[FakeDialogue], Awaitable[str]]


class FakeCard:
    """Records and plays 20 ms each time that it is turned, on a thread of its own."""

    def __init__(self) -> None:
        self.callback: Callback | None = None
        self.closed = False
        self.packets = 0

    def open(self, callback: Callback) -> "FakeCard":
        self.callback = callback
        return self

    def close(self) -> None:
        self.closed = True

    def turn(self, value: float = 0.0) -> NDArray[np.float32]:
        """Records a constant and gives what was played."""
        played = np.full(480, np.nan, np.float32)
        callback = self.callback
        assert callback is not None
        recorded = np.full(480, value, np.float32)
        at_s = 100 + self.packets * 0.02
        thread = threading.Thread(target=callback, args=(recorded, played, at_s))
        thread.start()
        thread.join()
        recorded[:] = np.nan  # a driver uses its buffer again
        self.packets += 1
        return played


class NoScreen:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def spoke(self, spoken_s: float) -> None:
        pass

    def heard(self, event: Event) -> None:
        self.events.append(event)


async def test_what_is_recorded_comes_in_order_with_its_time() -> None:
    fake = FakeCard()
    card = SoundCard(fake.open)
    packets = card.packets()
    first = asyncio.ensure_future(anext(packets))
    while fake.callback is None:
        await asyncio.sleep(0)
    fake.turn(0.25)
    fake.turn(0.5)
    came = [await first, await anext(packets)]
    assert [packet.samples.tolist() for packet in came] == [[0.25] * 480, [0.5] * 480]
    assert [packet.at_s for packet in came] == [100, 100.02]
    card.stop()
    assert [packet async for packet in packets] == []
    assert fake.closed


async def test_the_voice_is_played_without_gaps_and_then_there_is_silence() -> None:
    fake = FakeCard()
    card = SoundCard(fake.open)
    packets = card.packets()
    waiting = asyncio.ensure_future(anext(packets))
    while fake.callback is None:
        await asyncio.sleep(0)
    card.play(tone(0))
    card.play(tone(1))
    played = np.concatenate([fake.turn() for _ in range(9)])
    assert np.array_equal(played[:3840], np.concatenate([tone(0), tone(1)]))
    assert not played[3840:].any()
    await waiting
    await packets.aclose()
    assert fake.closed


async def test_after_a_stall_only_the_newest_240_ms_are_played() -> None:
    fake = FakeCard()
    card = SoundCard(fake.open)
    packets = card.packets()
    waiting = asyncio.ensure_future(anext(packets))
    while fake.callback is None:
        await asyncio.sleep(0)
    for frame in range(10):
        card.play(tone(frame))
    played = np.concatenate([fake.turn() for _ in range(13)])
    assert np.array_equal(played[:5760], np.concatenate([tone(7), tone(8), tone(9)]))
    assert not played[5760:].any()
    await waiting
    await packets.aclose()


async def test_a_network_that_takes_nothing_ends_the_talk() -> None:
    fake = FakeCard()
    card = SoundCard(fake.open)
    packets = card.packets()
    first = asyncio.ensure_future(anext(packets))
    while fake.callback is None:
        await asyncio.sleep(0)
    fake.turn()
    await first
    for _ in range(MAX_WAITING_PACKETS + 1):
        fake.turn()
    with pytest.raises(CannotDo, match="the network is too slow"):
        while True:
            await anext(packets)
    assert fake.closed


@pytest.mark.parametrize("encoding", ["opus", "pcm"])
async def test_a_talk_through_a_sound_card_is_full_duplex(serve: Serve, encoding: str) -> None:
    fake, screen = FakeCard(), NoScreen()
    dialogue = FakeDialogue()
    coder = open_coder(encoding)  # type: ignore[arg-type]
    async with connect(await serve(dialogue), encoding=encoding) as talk:  # type: ignore[arg-type]
        card = SoundCard(fake.open)
        recording = Recording(talk.ready, coder.lookahead_samples)
        conversation = Conversation(talk, card, coder, recording, screen, card, lambda: 101.0)
        holding = asyncio.create_task(conversation.hold())
        while fake.callback is None:
            await asyncio.sleep(0)
        played = []
        while len(recording.heard) < 5:
            played.append(fake.turn(0.1))
            await asyncio.sleep(0.001)
        played += [fake.turn() for _ in range(20)]
        card.stop()
        await holding
    assert np.abs(np.concatenate(played)).max() > 0.15
    assert recording.summary is not None
    assert recording.summary.frames_in == len(recording.heard)
    assert figures_of(recording).mouth_to_ear_p50_ms is not None
    assert np.abs(np.concatenate(dialogue.heard)).max() > 0.08
    assert fake.closed


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(CannotDo, match=r"pip install 'kaiwa\[mic\]'"):
        find_sound_card()


def test_a_missing_device_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class PortAudioError(Exception):
        pass

    def query_devices(kind: str) -> object:
        if kind == "output":
            raise PortAudioError("Error querying device -1")
        return {}

    fake = types.SimpleNamespace(PortAudioError=PortAudioError, query_devices=query_devices)
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    with pytest.raises(CannotDo, match="no output device found: Error querying device -1"):
        find_sound_card()


def test_a_card_that_does_not_open_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**settings: object) -> None:
        raise OSError("Invalid sample rate")

    fake = types.SimpleNamespace(
        PortAudioError=OSError, query_devices=lambda kind: {}, Stream=refuse
    )
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    with pytest.raises(CannotDo, match="does not open at 24 kHz, mono: Invalid sample rate"):
        find_sound_card()(lambda recorded, played, at_s: None)


async def test_the_driver_s_clock_becomes_the_monotonic_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: dict[str, object] = {}

    class Stream:
        def __init__(self, **settings: object) -> None:
            opened.update(settings)

        def start(self) -> None:
            opened["started"] = True

    fake = types.SimpleNamespace(
        PortAudioError=OSError, query_devices=lambda kind: {}, Stream=Stream
    )
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    monkeypatch.setattr("kaiwa.cli.sound_card.time.monotonic", lambda: 500.0)
    came: list[tuple[float, float]] = []
    find_sound_card()(lambda recorded, played, at_s: came.append((recorded[0], at_s)))
    sound = np.full((480, 1), 0.5, np.float32)
    callback = opened["callback"]
    assert callable(callback) and opened["started"] and opened["samplerate"] == 24_000
    at = types.SimpleNamespace(currentTime=7.03, inputBufferAdcTime=7.0)
    callback(sound, sound.copy(), 480, at, None)
    callback(sound, sound.copy(), 480, types.SimpleNamespace(inputBufferAdcTime=0.0), None)
    assert came == [(0.5, pytest.approx(499.97)), (0.5, pytest.approx(499.98))]
