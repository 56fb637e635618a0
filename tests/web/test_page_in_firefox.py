"""The page in a real Firefox, before a gateway whose codec service says again what it hears."""

from pathlib import Path

import pytest
from gateway.running_gateway import running_gateway
from web.firefox import loudspeaker, page_in_firefox

NO_WEBCODECS = "delete window.AudioEncoder; delete window.AudioDecoder;"


@pytest.mark.parametrize("before", ["", NO_WEBCODECS], ids=["opus", "pcm"])
async def test_a_talk_is_heard_read_measured_and_recorded(tmp_path: Path, before: str) -> None:
    async with (
        running_gateway() as gateway,
        loudspeaker() as environment,
        page_in_firefox(gateway.url, tmp_path / "profile", environment, before=before) as page,
    ):
        gateway.codec.words = {1: ("Hel", True), 2: ("lo", False), 40: ("Bye", True)}
        await page.click("#talk")
        await page.until("document.body.dataset.state === 'talking'")
        await page.until("document.querySelector('#words').innerText.includes('Bye')")
        assert "Hello" in await page.text("#words li")
        for voice in ("you", "moshi"):
            await page.until(f"Number(document.querySelector('#{voice}').ariaValueNow) > -40")
        await page.until("/^[0-9]+ ms$/.test(document.querySelector('#delay').innerText)")
        await page.click("#talk")
        await page.until("document.body.dataset.state === 'ended'")
        assert "Moshi heard" in await page.text("#details")
        assert "Download the recording" in await page.text("#download")
