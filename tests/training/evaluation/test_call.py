"""A call goes through the real client at the pace of a real one."""

from collections.abc import AsyncIterator

import grpc
import numpy as np
import pytest
from clients.python.fake_dialogue import FakeDialogue
from kaiwa.cli.words import words_of
from kaiwa.v1 import dialogue_pb2_grpc
from kaiwa_training.evaluation.call import CallerCoder, hold_call
from kaiwa_training.evaluation.caller import Caller, Turn
from kaiwa_training.evaluation.pace import Metronome

QUESTION = (0.1 * np.sin(np.arange(2_400) / 9)).astype(np.float32)


@pytest.fixture
async def dialogue() -> AsyncIterator[tuple[FakeDialogue, str]]:
    fake, server = FakeDialogue(), grpc.aio.server()
    dialogue_pb2_grpc.add_DialogueServiceServicer_to_server(fake, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield fake, f"127.0.0.1:{port}"
    await server.stop(0)


async def test_a_caller_asks_hears_and_hangs_up(dialogue: tuple[FakeDialogue, str]) -> None:
    fake, target = dialogue
    caller = Caller([Turn(QUESTION, lambda now_s, words_s: len(words_s) > 0)], lead_s=0.1)
    held = await hold_call(target, caller, Metronome(), seed=7, bitrate_bps=32_000)
    assert fake.configs[0].settings.seed == held.summary.seed == 7
    assert [word.text for word in words_of(held.recording.pieces)][:2] == ["Hello,", "I"]
    assert held.asked[0].start_s == pytest.approx(0.1)
    assert held.asked[0].end_s == pytest.approx(0.2)
    spoken_s = len(held.recording.spoken) * 0.02
    assert 0.2 < spoken_s < 1.5
    assert held.summary.frames_in == len(held.recording.spoken) // 4


def test_a_narrow_line_takes_fewer_bytes() -> None:
    sound = (0.1 * np.random.default_rng(1).standard_normal(480)).astype(np.float32)
    narrow, wide = CallerCoder(16_000), CallerCoder(32_000)
    assert len(narrow.encode(sound)) < 0.7 * len(wide.encode(sound))
