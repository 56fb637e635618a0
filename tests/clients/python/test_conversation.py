"""A conversation that goes wrong, and Ctrl-C, inside one process."""

import asyncio
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from clients.python.fake_dialogue import FakeDialogue, Response
from kaiwa.cli.coder import PcmCoder, open_coder
from kaiwa.cli.conversation import Conversation
from kaiwa.cli.errors import CannotDo
from kaiwa.cli.interrupt import on_interrupt
from kaiwa.cli.microphone import Recorded
from kaiwa.cli.recording import Recording
from kaiwa.client import connect
from kaiwa.errors import KaiwaError
from kaiwa.events import Audio, Event
from kaiwa.opus import OpusEncoder
from kaiwa.v1 import dialogue_pb2

Serve = Callable[[FakeDialogue], Awaitable[str]]


class FakeMicrophone:
    """Records some packets at once, then waits until it is stopped or breaks."""

    def __init__(self, packets: int, breaks: bool = False) -> None:
        self._count = packets
        self._breaks = breaks
        self._stopped = asyncio.Event()
        self.closed = False

    async def packets(self) -> AsyncGenerator[Recorded, None]:
        try:
            for packet in range(self._count):
                yield Recorded(np.zeros(480, np.float32), 10 + packet * 0.02)
            if self._breaks:
                raise CannotDo("the cable is out")
            await self._stopped.wait()
        finally:
            self.closed = True

    def stop(self) -> None:
        self._stopped.set()


class NoScreen:
    def spoke(self, spoken_s: float) -> None:
        pass

    def heard(self, event: Event) -> None:
        pass


async def hold(target: str, microphone: FakeMicrophone, silent_for_s: float = 10) -> Recording:
    """Holds a conversation and gives its recording, or raises what went wrong in it."""
    async with connect(target, encoding="pcm") as talk:
        recording = Recording(talk.ready, 0)
        conversation = Conversation(
            talk, microphone, PcmCoder(), recording, NoScreen(), silent_for_s=silent_for_s
        )
        await conversation.hold()
    return recording


async def test_a_service_that_says_nothing_any_more_is_given_up(serve: Serve) -> None:
    fake, microphone = FakeDialogue(hang_at=2), FakeMicrophone(20)
    with pytest.raises(KaiwaError, match=r"nothing came from the service for 0\.3 s"):
        await hold(await serve(fake), microphone, silent_for_s=0.3)
    assert microphone.closed
    await fake.ended.wait()


async def test_a_failed_call_stops_the_microphone(serve: Serve) -> None:
    microphone = FakeMicrophone(20)
    with pytest.raises(KaiwaError, match="gone"):
        await hold(await serve(FakeDialogue(fail_at=3)), microphone)
    assert microphone.closed


async def test_a_microphone_that_breaks_ends_the_call(serve: Serve) -> None:
    fake = FakeDialogue()
    with pytest.raises(CannotDo, match="the cable is out"):
        await hold(await serve(fake), FakeMicrophone(20, breaks=True))
    await fake.ended.wait()


async def test_a_reply_that_is_no_sound_is_named(serve: Serve) -> None:
    broken = Response(audio=dialogue_pb2.OutputAudio(frame_index=0, data=b"noise"))
    fake = FakeDialogue(extra=lambda step: [broken])
    with pytest.raises(CannotDo, match="frame 0 of the reply is broken"):
        await hold(await serve(fake), FakeMicrophone(20))


@pytest.mark.parametrize(
    "data", [b"", b"\x00" * 1_501, OpusEncoder().encode(np.zeros(480, np.float32))]
)
def test_a_frame_that_is_no_opus_packet_of_80_ms_is_named(data: bytes) -> None:
    with pytest.raises(CannotDo, match="frame 7 of the reply is broken"):
        open_coder("opus").decode(Audio(7, data))


def test_a_frame_that_is_no_80_ms_of_telephone_sound_is_named() -> None:
    with pytest.raises(CannotDo, match=r"frame 7 .* 477 samples instead of 1920"):
        open_coder("alaw").decode(Audio(7, bytes(159), "alaw"))


async def test_a_service_that_ends_the_conversation_itself_ends_it_well(serve: Serve) -> None:
    summary = Response(summary=dialogue_pb2.Summary(frames_in=4))

    class Capped(FakeDialogue):
        async def _frames(self, requests, config):  # type: ignore[no-untyped-def]
            async for frame in super()._frames(requests, config):
                yield frame
                if frame == 3:
                    return

    fake = Capped(with_summary=False, extra=lambda step: [summary] if step == 4 else [])
    recording = await hold(await serve(fake), FakeMicrophone(40))
    assert recording.summary is not None and len(recording.heard) == 4


@contextmanager
def plain_ctrl_c() -> Iterator[None]:
    """Ctrl-C raises KeyboardInterrupt, whatever the test runner has made of it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


async def test_the_first_ctrl_c_asks_and_the_second_one_interrupts() -> None:
    asked = asyncio.Event()
    with plain_ctrl_c(), on_interrupt(asked.set) as interrupt:
        assert not interrupt.pressed
        signal.raise_signal(signal.SIGINT)
        await asked.wait()
        assert interrupt.pressed
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


async def test_after_the_talk_ctrl_c_is_as_it_was() -> None:
    before = signal.getsignal(signal.SIGINT)
    with on_interrupt(lambda: None):
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before
