"""The page in a real browser, before a gateway whose codec service says again what it hears."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import numpy as np
import pytest
import soundfile
from gateway.running_gateway import Gateway, running_gateway, until
from kaiwa_server.gateway.web_page import FOLDER
from numpy.typing import NDArray
from web.browser import Page, page_in_chromium
from web.relay import relay_to

REPOSITORY = Path(__file__).parents[2]
QUESTION = REPOSITORY / "clients/python/kaiwa/questions/name.wav"
WORDS = {1: ("Hel", True), 2: ("lo", False), 40: ("Bye", True)}
NO_WEBCODECS = "delete window.AudioEncoder; delete window.AudioDecoder;"


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with running_gateway(max_sessions=1) as gateway:
        gateway.codec.words = WORDS
        yield gateway
        await gateway.is_empty()


@pytest.fixture(scope="module")
def microphone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A question that is asked again and again for 20 s."""
    question, rate_hz = soundfile.read(QUESTION, dtype="float32")
    path = tmp_path_factory.mktemp("microphone") / "questions.wav"
    soundfile.write(path, np.tile(question, 20), rate_hz, subtype="PCM_16")
    return path


async def state_of(page: Page) -> str:
    return str(await page.evaluate("document.body.dataset.state"))


async def until_state(page: Page, state: str) -> None:
    await page.until(f"document.body.dataset.state === '{state}'")


async def download(page: Page, folder: Path) -> NDArray[np.float32]:
    """The recording, [T, 2]: left the user, right Moshi."""
    await page.click("#download")
    path = folder / "kaiwa.wav"
    await until(path.exists)
    sound, rate_hz = soundfile.read(path, dtype="float32")
    assert rate_hz == 24_000
    return sound


@pytest.mark.parametrize("before", ["", NO_WEBCODECS], ids=["opus", "pcm"])
async def test_a_talk_is_heard_read_measured_and_recorded(
    gateway: Gateway, microphone: Path, tmp_path: Path, before: str
) -> None:
    async with page_in_chromium(gateway.url, tmp_path, microphone, before=before) as page:
        assert await state_of(page) == "idle"
        await page.click("#talk")
        await until_state(page, "talking")
        assert "parrot, seed 4" in await page.text("#details")
        await page.until("document.querySelector('#words').innerText.includes('Bye')")
        assert "Hello" in await page.text("#words li")
        for voice in ("you", "moshi"):
            await page.until(f"Number(document.querySelector('#{voice}').ariaValueNow) > -40")
        await page.until("/^[0-9]+ ms$/.test(document.querySelector('#delay').innerText)")
        await page.click("#talk")
        await until_state(page, "ended")
        assert await page.text("#title") == "You ended the call"
        assert "Moshi heard" in await page.text("#details")
        sound = await download(page, tmp_path)
    assert len(sound) > 2 * 24_000, "40 steps are more than 3 s, a little of which may be lost"
    spoken, heard = np.percentile(np.abs(sound), 99, axis=0)
    assert spoken > 0.05 and heard == pytest.approx(spoken, rel=0.4)


async def test_the_settings_are_what_the_model_is_asked(
    gateway: Gateway, microphone: Path, tmp_path: Path
) -> None:
    async with page_in_chromium(gateway.url, tmp_path, microphone) as page:
        for name, value in {"seed": str(2**63 - 1), "textTemperature": "0"}.items():
            await page.evaluate(f"document.querySelector('[name={name}]').value = '{value}'")
        await page.click("#talk")
        await until_state(page, "talking")
    [settings] = gateway.codec.settings
    assert settings.seed == 2**63 - 1
    assert settings.text_temperature == 0 and settings.HasField("text_temperature")
    assert not settings.HasField("audio_temperature")


async def test_temperatures_are_changed_in_mid_call_and_the_seed_is_not(
    gateway: Gateway, microphone: Path, tmp_path: Path
) -> None:
    async with page_in_chromium(gateway.url, tmp_path, microphone) as page:
        await page.click("#talk")
        await until_state(page, "talking")
        assert await page.evaluate("document.querySelector('[name=seed]').disabled")
        words = "document.querySelector('[name=textTemperature]')"
        change = f"{words}.dispatchEvent(new Event('change', {{ bubbles: true }}))"
        await page.evaluate(f"{words}.value = '7'; {change}")  # more than it may be
        await page.evaluate(f"{words}.value = '0.5'; {change}")
        await page.until("document.querySelector('#news').innerText.includes('temperature 0.5')")
    [_, settings] = gateway.codec.settings
    assert settings.text_temperature == 0.5
    assert settings.audio_temperature == pytest.approx(0.8), "what is empty has its default"
    assert not settings.HasField("seed")


async def test_a_full_service_says_what_it_is(
    gateway: Gateway, microphone: Path, tmp_path: Path
) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(f"{gateway.url}/v1/converse") as other:
            await other.send_str('{"config": {}}')
            await other.receive_str()
            async with page_in_chromium(gateway.url, tmp_path, microphone) as page:
                await page.click("#talk")
                await until_state(page, "broken")
                assert await page.text("#title") == "Every place is taken"
                assert "all 1 conversations" in await page.text("#details")
                await other.close()
                await gateway.is_empty()
                await page.click("#talk")
                await until_state(page, "talking")


@pytest.mark.parametrize("failure", ["cut", "stall"])
async def test_a_lost_connection_says_what_it_is_and_keeps_the_recording(
    gateway: Gateway, microphone: Path, tmp_path: Path, failure: str
) -> None:
    async with relay_to(gateway.url) as (relay, url):
        async with page_in_chromium(url, tmp_path, microphone) as page:
            await page.click("#talk")
            await page.until("document.querySelector('#words').innerText.includes('Hello')")
            getattr(relay, failure)()
            await until_state(page, "broken")
            assert await page.text("#title") == "The connection was lost"
            assert len(await download(page, tmp_path)) > 0
            relay.cut()
            await page.click("#talk")
            await until_state(page, "failed")
            assert "Is the service running?" in await page.text("#details")


async def test_a_service_that_ends_a_talk_is_quoted(
    gateway: Gateway, microphone: Path, tmp_path: Path
) -> None:
    async with page_in_chromium(gateway.url, tmp_path, microphone) as page:
        await page.click("#talk")
        await until_state(page, "talking")
        await gateway.codec_server.die()
        await until_state(page, "broken")
        assert await page.text("#title") == "A part of the service is down"
        assert f"codec service at {gateway.config.codec} is gone" in await page.text("#details")


async def failure_of(page: Page) -> tuple[str, str]:
    """The check that failed, and what the page says of it."""
    await until_state(page, "failed")
    check = await page.evaluate("document.querySelector('.checks [data-state=failed]').id")
    return check, await page.text("#details")


async def test_a_microphone_that_is_not_there_is_named(gateway: Gateway, tmp_path: Path) -> None:
    async with page_in_chromium(gateway.url, tmp_path, None) as page:
        await page.click("#talk")
        check, told = await failure_of(page)
    assert check == "check-microphone" and "No microphone is connected. Connect one" in told


async def test_a_microphone_that_is_forbidden_is_named(
    gateway: Gateway, microphone: Path, tmp_path: Path
) -> None:
    async with page_in_chromium(gateway.url, tmp_path, microphone, allowed=False) as page:
        await page.click("#talk")
        check, told = await failure_of(page)
    assert check == "check-microphone" and "Allow it" in told


async def test_a_page_that_came_over_plain_http_is_named_at_once(
    gateway: Gateway, microphone: Path, tmp_path: Path
) -> None:
    url = gateway.url.replace("127.0.0.1", "kaiwa.test")
    async with page_in_chromium(url, tmp_path, microphone) as page:
        check, told = await failure_of(page)
    port = url.rpartition(":")[2]
    assert check == "check-page" and f"http://localhost:{port}" in told


async def test_the_keyboard_is_enough(gateway: Gateway, microphone: Path, tmp_path: Path) -> None:
    async def press(page: Page, key: str, text: str = "") -> None:
        for kind in ("keyDown", "keyUp"):
            pressed = {"key": key, "code": key, "text": text if kind == "keyDown" else ""}
            code = {"Tab": 9, "Enter": 13, "Escape": 27, "m": 77}[key]
            await page.command(
                "Input.dispatchKeyEvent", type=kind, windowsVirtualKeyCode=code, **pressed
            )

    async with page_in_chromium(gateway.url, tmp_path, microphone) as page:
        await press(page, "Tab")
        await press(page, "Enter", "\r")
        await until_state(page, "talking")
        await press(page, "m", "m")
        assert await page.evaluate("document.querySelector('#mute').ariaPressed") == "true"
        await press(page, "Escape")
        await until_state(page, "ended")


async def test_every_file_of_the_page_is_served_and_nothing_else(gateway: Gateway) -> None:
    async def get(path: str) -> tuple[int, str, bytes]:
        async with session.get(f"{gateway.url}/{path}") as response:
            if response.status == 200:
                assert "default-src 'self'" in response.headers["Content-Security-Policy"]
            return response.status, response.content_type, await response.read()

    async with aiohttp.ClientSession() as session:
        index = (FOLDER / "index.html").read_bytes()
        assert await get("") == (200, "text/html", index)
        for path in FOLDER.iterdir():
            status, kind, body = await get(path.name)
            assert status == 200 and body == path.read_bytes()
            if path.suffix == ".js":
                assert kind in ("text/javascript", "application/javascript")
        for path in ("nothing", "..%2ferrors.py", "%2e%2e/errors.py"):
            assert (await get(path))[0] == 404
