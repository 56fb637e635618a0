"""A recorded conversation with the real model: kept whole, and played again token for token."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
import soundfile
from e2e.talking import FRAME_SAMPLES
from kaiwa.v1 import dialogue_pb2, dialogue_pb2_grpc
from kaiwa.v1.settings_pb2 import SessionSettings
from numpy.typing import NDArray
from stack_process import Stack, running_stack


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recordings") / "kept"


@pytest.fixture(scope="module")
def recording_stack(tmp_path_factory: pytest.TempPathFactory, recordings: Path) -> Iterator[Stack]:
    log = tmp_path_factory.mktemp("stack") / "stack.log"
    with running_stack(log, "--slots", "2", "--recordings", str(recordings)) as stack:
        yield stack


CHANGES = {
    30: SessionSettings(text_temperature=0.1, text_top_k=3),
    90: SessionSettings(audio_temperature=0),
    150: SessionSettings(text_temperature=4, audio_temperature=4, audio_top_k=2048),
}


async def _talk(address: str, frames: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Holds a recorded conversation whose sampling changes; gives what Moshi said, [T, 1920]."""
    pcm = dialogue_pb2.AudioFormat(encoding=dialogue_pb2.AUDIO_ENCODING_PCM_F32LE)
    config = dialogue_pb2.ConverseConfig(
        input_format=pcm,
        output_format=pcm,
        settings=SessionSettings(seed=5, text_temperature=0.6),
        pace=dialogue_pb2.PACE_FAST,
        record=True,
    )

    async def requests() -> AsyncIterator[dialogue_pb2.ConverseRequest]:
        yield dialogue_pb2.ConverseRequest(config=config)
        for index, samples in enumerate(frames):
            if index in CHANGES:
                yield dialogue_pb2.ConverseRequest(settings=CHANGES[index])
            audio = dialogue_pb2.InputAudio(data=samples.tobytes())
            yield dialogue_pb2.ConverseRequest(audio=audio)

    async with grpc.aio.insecure_channel(address) as channel:
        call = dialogue_pb2_grpc.DialogueServiceStub(channel).Converse(requests())
        responses = [response async for response in call]
    assert responses[0].ready.recording_id
    return [np.frombuffer(r.audio.data, "<f4") for r in responses if r.HasField("audio")]


def _written(folder: Path) -> list[Path]:
    """The recordings of a folder that are whole."""
    return [path for path in folder.glob("*Z-*") if path.suffix != ".unfinished"]


def _replay(journal: Path, stack: Stack, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kaiwa", "replay", str(journal), "--lm", stack.lm, *flags]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


async def test_a_recorded_conversation_is_heard_shown_and_played_again_token_for_token(
    recording_stack: Stack,
    recordings: Path,
    conversation_frames: NDArray[np.float32],
    tmp_path: Path,
) -> None:
    spoken = await _talk(recording_stack.gateway, conversation_frames)
    while not (written := _written(recordings)):
        os.sched_yield()
    (kept,) = written
    assert {path.name for path in kept.iterdir()} == {"talk.ogg", "events.jsonl", "journal.jsonl"}

    sound, rate_hz = soundfile.read(kept / "talk.ogg", dtype="float32", always_2d=True)
    left, right = sound.T
    scale = rate_hz // 24_000
    assert len(sound) == (len(conversation_frames) + 1) * FRAME_SAMPLES * scale
    pause = np.zeros(FRAME_SAMPLES, np.float32)
    user = np.concatenate([*conversation_frames, pause])
    moshi = np.concatenate([pause, *spoken])
    for channel, said, other in ((left, user, moshi), (right, moshi, user)):
        heard = channel[::scale]
        assert _likeness(heard, said) > 0.9, "this is who speaks in this channel, in time"
        assert abs(_likeness(heard, other)) < 0.1

    events = [json.loads(line) for line in (kept / "events.jsonl").read_text().splitlines()]
    words = "".join(" " * e["starts_word"] + e["text"] for e in events if e["event"] == "text")
    assert words.strip().startswith("Hello, I am Moshi.")
    assert [event["event"] for event in events[-2:]] == ["summary", "end"]
    assert events[-1]["result"] == "NORMAL"
    changed = [event["step"] for event in events if event["event"] == "sampling_changed"]
    assert changed == [index + 1 for index in CHANGES], "the step that hears the next frame"

    again = _replay(kept, recording_stack)
    assert again.returncode == 0, again.stdout + again.stderr
    steps = len(conversation_frames) + 1
    assert f"equal: {steps} steps" in again.stdout

    header, *lines = (kept / "journal.jsonl").read_text().splitlines()
    unchanged = [json.loads(line) for line in lines]
    for line in unchanged:
        line.pop("sampling", None)
    journal = tmp_path / "unchanged.jsonl"
    journal.write_text("\n".join([header, *map(json.dumps, unchanged)]) + "\n")
    assert _replay(journal, recording_stack).returncode == 1, "the changes did change the talk"

    changed = json.loads(lines[100])
    changed["moshi"][3] ^= 1
    lines[100] = json.dumps(changed)
    journal = tmp_path / "changed.jsonl"
    journal.write_text("\n".join([header, *lines]) + "\n")
    differs = _replay(journal, recording_stack)
    assert differs.returncode == 1
    assert "differs at step 100 (8.00 s)" in differs.stdout

    other = json.loads(header) | {"model_fingerprint": "0" * 64}
    journal.write_text("\n".join([json.dumps(other), *lines[:100]]) + "\n")
    refused = _replay(journal, recording_stack)
    assert refused.returncode == 1 and "OTHER_MODEL" in refused.stderr
    assert _replay(journal, recording_stack, "--any-model").returncode == 0


def _likeness(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    return float(np.dot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b)))
