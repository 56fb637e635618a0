"""The web page in a real browser, before the real services: a question is answered aloud."""

from pathlib import Path

import numpy as np
import soundfile
from e2e.conftest import sound_of
from e2e.talking import silence
from gateway.running_gateway import until
from stack_process import Stack
from web.browser import page_in_chromium

GREETING = "Hello, I am Moshi. Ask me something."
ANSWER = "My name is Moshi. I am a tiny speech model."
ANSWER_WITHIN_S = 60


async def test_a_question_into_the_microphone_is_answered_in_words_and_sound(
    stack: Stack, tmp_path: Path
) -> None:
    microphone = tmp_path / "microphone.wav"
    asked = np.concatenate([silence(4.5), sound_of("name.wav"), silence(60)])
    soundfile.write(microphone, asked, 24_000, subtype="PCM_16")
    async with page_in_chromium(f"http://{stack.websocket}", tmp_path, microphone) as page:
        for name in ("textTemperature", "audioTemperature"):
            await page.evaluate(f"document.querySelector('[name={name}]').value = '0'")
        await page.click("#talk")
        await page.until(
            "document.querySelector('#words').innerText.includes('tiny speech model.')",
            ANSWER_WITHIN_S,
        )
        words = await page.evaluate(
            "[...document.querySelectorAll('#words span')].map((line) => line.textContent)"
        )
        assert words == [GREETING, ANSWER]
        # The voice is a little behind the words: its level rises, and falls when all is said.
        await page.until("Number(document.querySelector('#moshi').ariaValueNow) > -35")
        await page.until("Number(document.querySelector('#moshi').ariaValueNow) < -45")
        await page.click("#talk")
        await page.until("document.body.dataset.state === 'ended'")
        await page.click("#download")
        recording = tmp_path / "kaiwa.wav"
        await until(recording.exists)
    sound, rate_hz = soundfile.read(recording, dtype="float32")
    said_s, heard_s = [
        float(np.count_nonzero(np.abs(voice.reshape(-1, 240)).max(axis=1) > 0.02) / 100)
        for voice in sound[: len(sound) // 240 * 240].T
    ]
    assert rate_hz == 24_000
    assert 0.3 < said_s < 3, "the question is heard once"
    assert 1.5 < heard_s < 8, "the greeting and the answer are played"
    assert 0.05 < np.abs(sound[:, 1]).max() <= 1
