"""A file through the three real processes and the model in the box: the right words come back."""

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile
from e2e.conftest import QUESTIONS, sound_of
from kaiwa.client import Settings
from kaiwa.events import Audio, Event, Summary, Text
from kaiwa.rendering import render
from stack_process import Stack

GREEDY = Settings(text_temperature=0, audio_temperature=0)
WORDS = "Hello, I am Moshi. Ask me something. My name is Moshi. I am a tiny speech model."


def words_of(events: list[Event]) -> str:
    pieces = [event for event in events if isinstance(event, Text)]
    return "".join(" " * piece.starts_word + piece.text for piece in pieces).strip()


async def test_a_file_is_answered_in_the_silence_after_it(stack: Stack) -> None:
    question = sound_of("name.wav")
    async with render(stack.gateway, question, settings=GREEDY) as reply:
        events = [event async for event in reply]
    assert words_of(events) == WORDS
    assert isinstance(summary := events[-1], Summary)
    frames = -(-(len(question) + round(11.5 * 24_000)) // 1920)
    assert summary.frames_in == summary.frames_out == frames
    assert summary.frames_dropped == summary.frames_concealed == summary.voice_frames_dropped == 0
    voice = np.concatenate([event.samples() for event in events if isinstance(event, Audio)])
    assert np.abs(voice[-24_000:]).max() < 0.02 < np.abs(voice).max()


async def test_a_file_says_the_same_words_in_bytes_of_16_bits(stack: Stack) -> None:
    data = (sound_of("name.wav") * 32_767).astype("<i2").tobytes()
    async with render(stack.gateway, data, encoding="pcm16", settings=GREEDY) as reply:
        assert words_of([event async for event in reply]) == WORDS


async def test_an_ogg_file_of_another_program_says_the_same_words(stack: Stack) -> None:
    file = io.BytesIO()
    soundfile.write(file, sound_of("name.wav"), 24_000, format="OGG", subtype="OPUS")
    data = file.getvalue()
    async with render(stack.gateway, data, encoding="ogg", settings=GREEDY) as reply:
        assert words_of([event async for event in reply]) == WORDS


def test_the_command_leaves_the_reply_and_its_words(stack: Stack, tmp_path: Path) -> None:
    reply, document = tmp_path / "reply.wav", tmp_path / "reply.json"
    command = [
        *(sys.executable, "-m", "kaiwa", "render", str(QUESTIONS / "name.wav"), "--greedy"),
        *("--server", stack.gateway, "--out", str(reply), "--json", str(document)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(document.read_text())
    assert " ".join(word["text"] for word in told["words"]) == WORDS
    sound, rate_hz = soundfile.read(reply, dtype="float32")
    assert rate_hz == 24_000 and len(sound) == told["summary"]["frames_out"] * 1920
