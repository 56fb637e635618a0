"""A live conversation over a link that loses 3% of its packets, through a proxy with jitter."""

import asyncio
import json
import sys
from pathlib import Path

import pytest
from faults.lossy_link import NotPermitted, jittering_proxy, lossy_namespace
from gateway.running_gateway import running_gateway

QUESTION = Path(__file__).parents[2] / "clients/python/kaiwa/questions/name.wav"
LOSS_PERCENT = 3
JITTER_S = 0.06


async def test_a_conversation_over_a_lossy_link_stays_live(tmp_path: Path) -> None:
    document = tmp_path / "talk.json"
    talk = (sys.executable, "-m", "kaiwa", "talk", str(QUESTION), "--json", str(document))
    try:
        with lossy_namespace(LOSS_PERCENT) as space:
            async with (
                running_gateway() as gateway,
                jittering_proxy(gateway.address, JITTER_S, seed=5) as server,
            ):
                process = await asyncio.create_subprocess_exec(
                    *space.command(*talk, "--server", server),
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.STDOUT,
                )
                output, _ = await asyncio.wait_for(process.communicate(), 120)
    except NotPermitted as reason:
        pytest.skip(str(reason))
    assert process.returncode == 0, output.decode()
    told = json.loads(document.read_text())
    summary, figures = told["summary"], told["figures"]
    assert summary["frames_in"] == summary["frames_out"]
    assert summary["frames_concealed"] < summary["frames_in"] / 4, "most of it was heard"
    assert summary["frames_dropped"] <= summary["frames_concealed"] + 3, "and nothing in vain"
    assert figures["mouth_to_ear_p50_ms"] < 400, "and the delay has not grown"
