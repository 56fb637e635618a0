"""Recordings of real conversations whose gateway is killed, or has no room to write to."""

import asyncio
import errno
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import psutil
import soundfile
from kaiwa.journal import read_journal
from kaiwa.v1 import dialogue_pb2, dialogue_pb2_grpc
from kaiwa.v1.dialogue_pb2 import ConverseConfig, ConverseRequest, InputAudio
from stack_process import Stack, running_stack

PCM = dialogue_pb2.AudioFormat(encoding=dialogue_pb2.AUDIO_ENCODING_PCM_F32LE)
CONFIG = ConverseRequest(
    config=ConverseConfig(
        input_format=PCM, output_format=PCM, pace=dialogue_pb2.PACE_FAST, record=True
    )
)
FRAME = ConverseRequest(audio=InputAudio(data=np.zeros(1920, np.float32).tobytes()))
SECOND_STEPS = 13
STEPS_PER_S = 12.5


@asynccontextmanager
async def recorded(stack: Stack) -> AsyncIterator[Any]:
    """A call that is open and recorded."""
    async with grpc.aio.insecure_channel(stack.gateway) as channel:
        call = dialogue_pb2_grpc.DialogueServiceStub(channel).Converse()
        await call.write(CONFIG)
        assert (await call.read()).ready.recording_id
        yield call


async def exchange(call: Any, frames: int) -> list[str]:
    """Says silence frame by frame, each when the one before it is answered; gives the events."""
    events = []
    for _ in range(frames):
        await call.write(FRAME)
        while not (response := await call.read()).HasField("audio"):
            if response.HasField("event"):
                events.append(response.event.WhichOneof("event"))
    return events


def gateway_of(stack: Stack) -> psutil.Process:
    children = psutil.Process(stack.process.pid).children()
    return next(child for child in children if "kaiwa_server.gateway" in child.cmdline())


def only(root: Path) -> Path:
    """The one recording there."""
    (kept,) = [path for path in root.iterdir() if path.is_dir()]
    return kept


def steps_of(folder: Path) -> tuple[int, int]:
    """How many steps its journal and its sound have."""
    sound, rate_hz = soundfile.read(folder / "talk.ogg")
    return len(read_journal(folder).steps), int(len(sound) / rate_hz * STEPS_PER_S)


def replayed(folder: Path, stack: Stack) -> str:
    command = [sys.executable, "-m", "kaiwa", "replay", str(folder), "--lm", stack.lm]
    return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout


async def test_a_gateway_that_is_killed_loses_at_most_a_second_of_what_it_recorded(
    tmp_path: Path,
) -> None:
    kept, log = tmp_path / "kept", tmp_path / "stack.log"
    frames = 40
    with running_stack(log, "--recordings", str(kept)) as stack:
        async with recorded(stack) as call:
            await exchange(call, frames)
            gateway_of(stack).kill()
            await asyncio.to_thread(stack.process.wait, 30)
    assert only(kept).suffix == ".unfinished"
    assert min(steps_of(only(kept))) > frames - SECOND_STEPS

    with running_stack(log, "--recordings", str(kept)) as stack:
        cut = only(kept)
        assert cut.name.endswith("-cut")
        journal_steps, _ = steps_of(cut)
        assert f"equal: {journal_steps} steps" in replayed(cut, stack)
    assert "was cut off by a crash" in log.read_text()


async def test_a_conversation_goes_on_when_its_recording_has_no_room(tmp_path: Path) -> None:
    kept, log = tmp_path / "kept", tmp_path / "stack.log"
    with running_stack(log, "--recordings", str(kept)) as stack:
        gateway_of(stack).rlimit(psutil.RLIMIT_FSIZE, (20_000, 20_000))
        async with recorded(stack) as call:
            events = await exchange(call, 150)
            await call.done_writing()
            while not (response := await call.read()).HasField("summary"):
                assert response.HasField("event")
            assert response.summary.frames_in == response.summary.frames_out == 150
            assert await call.code() is grpc.StatusCode.OK
        assert events.count("recording_stopped") == 1
        cut = only(kept)
        assert cut.name.endswith("-cut") and min(steps_of(cut)) > 10
        assert "equal:" in replayed(cut, stack)
    assert f"stopped: {os.strerror(errno.EFBIG)}" in log.read_text()
