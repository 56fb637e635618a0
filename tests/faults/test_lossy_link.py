"""Live conversations over a link that loses 3% of its packets, through a proxy with jitter."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from faults.lossy_link import NotPermitted, jittering_proxy, lossy_namespace
from gateway.running_gateway import running_gateway
from stack_process import Stack

QUESTION = Path(__file__).parents[2] / "clients/python/kaiwa/questions/name.wav"
LOSS_PERCENT = 3
JITTER_S = 0.06
MAX_LAG_MS = 240


async def talk_over_lossy_link(address: str, *command: str) -> None:
    """Runs a command there that talks with the gateway at `address`, which it is given at last."""
    try:
        with lossy_namespace(LOSS_PERCENT) as space:
            async with jittering_proxy(address, JITTER_S, seed=5) as server:
                process = await asyncio.create_subprocess_exec(
                    *space.command(*command, server),
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.STDOUT,
                )
                output, _ = await asyncio.wait_for(process.communicate(), 120)
    except NotPermitted as reason:
        pytest.skip(str(reason))
    assert process.returncode == 0, output.decode()


async def test_a_conversation_over_a_lossy_link_stays_live(tmp_path: Path) -> None:
    document = tmp_path / "talk.json"
    talk = (sys.executable, "-m", "kaiwa", "talk", str(QUESTION), "--json", str(document))
    async with running_gateway() as gateway:
        await talk_over_lossy_link(gateway.address, *talk, "--server")
    told = json.loads(document.read_text())
    summary, figures = told["summary"], told["figures"]
    assert summary["frames_in"] == summary["frames_out"]
    assert summary["frames_concealed"] < summary["frames_in"] / 4, "most of it was heard"
    assert summary["frames_dropped"] <= summary["frames_concealed"] + 3, "and nothing in vain"
    assert figures["mouth_to_ear_p50_ms"] < 400, "and the delay has not grown"


# Says silence for 16 s, as a microphone would, and writes down what it is told.
CLIENT = """
import asyncio, json, sys
from dataclasses import asdict
import numpy as np
from kaiwa.client import Settings, connect
from kaiwa.opus import OpusEncoder

async def main(path, server):
    told = []
    encoder = OpusEncoder()
    async with connect(server, settings=Settings(seed=3)) as talk:
        async def speak():
            clock = asyncio.get_running_loop().time
            start_s = clock()
            for index in range(800):
                await talk.send(encoder.encode(np.zeros(480, np.float32)))
                await asyncio.sleep(start_s + (index + 1) * 0.02 - clock())
            await talk.end()
        speaking = asyncio.create_task(speak())
        async for event in talk:
            kind = type(event).__name__
            told.append([kind, {} if kind == "Audio" else asdict(event)])
        await speaking
    with open(path, "w") as file:
        json.dump(told, file)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_the_client_is_told_all_that_a_lossy_link_costs(stack: Stack, tmp_path: Path) -> None:
    document = tmp_path / "told.json"
    await talk_over_lossy_link(stack.gateway, sys.executable, "-c", CLIENT, str(document))
    told = json.loads(document.read_text())

    def all_of(kind: str) -> list[dict[str, Any]]:
        return [values for each, values in told if each == kind]

    [summary] = all_of("Summary")
    for kind, count in (
        ("FramesConcealed", summary["frames_concealed"]),
        ("FramesDropped", summary["frames_dropped"]),
        ("VoiceDropped", summary["voice_frames_dropped"]),
    ):
        assert sum(event["frames"] for event in all_of(kind)) == count, f"{kind} are told"
    assert abs(summary["frames_in"] - 200) < 5, "the gateway's time went on through all of it"
    assert len(all_of("Audio")) == summary["frames_out"] - summary["voice_frames_dropped"]
    assert summary["turnaround_p99_ms"] < MAX_LAG_MS
    words = "".join(" " * text["starts_word"] + text["text"] for text in all_of("Text"))
    assert words.strip().startswith("Hello, I am Moshi.")
