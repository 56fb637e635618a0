"""A real Chromium without a window, driven over its DevTools protocol.

Its microphone is a WAV file, played once from the moment it is opened.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import pytest

START_S, WAIT_S = 30, 30


class Page:
    """A page in the browser."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = count()
        self.errors: list[str] = []

    async def command(self, method: str, **params: Any) -> Any:
        """Asks the browser for something and gives its answer."""
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        while (message := await self._socket.receive_json()).get("id") != number:
            self.hear(message["method"], message["params"])
        assert "error" not in message, message["error"]
        return message["result"]

    def hear(self, method: str, params: Any) -> None:
        """Takes what the browser says by itself."""
        if method == "Runtime.exceptionThrown":
            self.errors.append(str(params["exceptionDetails"]))

    async def evaluate(self, script: str) -> Any:
        """Gives the value of an expression; what it does counts as done by the user."""
        answer = await self.command(
            "Runtime.evaluate",
            expression=script,
            awaitPromise=True,
            returnByValue=True,
            userGesture=True,
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def until(self, condition: str, timeout_s: float = WAIT_S) -> None:
        """Returns as soon as an expression is true."""
        look = f"(function look() {{ ({condition}) ? done() : setTimeout(look, 20); }})()"
        try:
            async with asyncio.timeout(timeout_s):
                await self.evaluate(f"new Promise((done) => {look})")
        except TimeoutError:
            raise AssertionError(f"never true: {condition}") from None

    async def text(self, selector: str) -> str:
        """Gives what is written in an element."""
        return str(await self.evaluate(f"document.querySelector('{selector}').innerText"))

    async def click(self, selector: str) -> None:
        """Presses a button."""
        await self.evaluate(f"document.querySelector('{selector}').click()")


@asynccontextmanager
async def page_in_chromium(
    url: str, folder: Path, microphone: Path | None, *, before: str = "", allowed: bool = True
) -> AsyncIterator[Page]:
    """The page at `url` in a fresh browser; skips where there is no Chromium.

    Args:
        url: what to open.
        folder: where the browser may write; downloads go there too.
        microphone: the WAV file that it hears, or none to have no microphone at all.
        before: a script that runs before those of the page.
        allowed: whether the user lets the page use the microphone.
    """
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    sound = []
    if microphone is not None:
        sound.append("--use-fake-device-for-media-stream")
        sound.append(f"--use-file-for-fake-audio-capture={microphone}%noloop")
    if allowed:
        sound.append("--use-fake-ui-for-media-stream")
    process = await asyncio.create_subprocess_exec(
        *(chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
        # A name that is not localhost makes a page that is not secure.
        "--host-resolver-rules=MAP kaiwa.test 127.0.0.1",
        *("--no-first-run", "--remote-debugging-port=0", f"--user-data-dir={folder / 'profile'}"),
        *sound,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(START_S):
            address = await _devtools_address(process)
        async with aiohttp.ClientSession() as session:
            async with session.put(f"http://{address}/json/new?about:blank") as answer:
                target = await answer.json()
            async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                page = Page(socket)
                await page.command("Runtime.enable")
                await page.command("Page.enable")
                await page.command("Page.addScriptToEvaluateOnNewDocument", source=before)
                download = {"behavior": "allow", "downloadPath": str(folder)}
                await page.command("Browser.setDownloadBehavior", **download)
                await page.command("Page.navigate", url=url)
                await page.until("document.readyState === 'complete'")
                yield page
                assert not page.errors
    finally:
        process.kill()
        await process.communicate()


async def _devtools_address(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    async for line in process.stderr:
        if b"DevTools listening on ws://" in line:
            return line.decode().split("ws://")[1].split("/")[0]
    raise AssertionError("Chromium ended before it listened")
