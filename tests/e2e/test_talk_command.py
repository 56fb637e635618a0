"""`kaiwa talk` as a newcomer runs it: Opus in real time, the answer in words, sound and figures."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile
from stack_process import Stack

QUESTION = Path(__file__).parents[2] / "clients/python/kaiwa/questions/name.wav"
ANSWER = "My name is Moshi. I am a tiny speech model."


def test_a_spoken_question_is_answered_aloud_and_in_words(stack: Stack, tmp_path: Path) -> None:
    reply, transcript, document = (tmp_path / name for name in ("reply.wav", "t.txt", "t.json"))
    command = [
        *(sys.executable, "-m", "kaiwa", "talk", str(QUESTION), "--server", stack.gateway),
        *("--seed", "3", "--out", str(reply), "--transcript", str(transcript)),
        *("--json", str(document), "--plot", str(tmp_path / "talk.png")),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ANSWER in done.stdout and ANSWER in transcript.read_text()

    told = json.loads(document.read_text())
    assert told["session"]["seed"] == 3
    assert told["summary"]["frames_in"] == told["summary"]["frames_out"]
    assert told["figures"]["mouth_to_ear_p50_ms"] > 160, "nobody answers before the floor"

    sound, rate_hz = soundfile.read(reply, dtype="float32")
    assert rate_hz == 24_000
    answer_start_s = next(word["at_s"] for word in told["words"] if word["text"] == "name")
    answer = sound[int(answer_start_s * rate_hz) :]
    loud = np.abs(answer[: rate_hz * 2]).max()
    assert loud > 0.05, "the answer is spoken"
    assert np.abs(answer[-rate_hz:]).max() < loud / 4, "and then it is silent"
    assert (tmp_path / "talk.png").read_bytes().startswith(b"\x89PNG")
