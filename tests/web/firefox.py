"""A real Firefox without a window, driven over WebDriver BiDi.

Its microphone is Firefox's own fake, a tone; its loudspeaker a sound server that plays to nobody,
since Firefox has no clock for sound without one.
"""

import asyncio
import json
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from gateway.running_gateway import until
from web.browser import START_S, WAIT_S, Page

PREFERENCES = {
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "media.navigator.permission.disabled": True,  # the user allows the microphone
    "media.navigator.streams.fake": True,
}


class FirefoxPage(Page):
    """A page in Firefox."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        super().__init__(socket)
        self.context = ""

    def hear(self, method: str, params: Any) -> None:
        if method == "log.entryAdded" and params["level"] == "error":
            self.errors.append(str(params["text"]))

    async def evaluate(self, script: str) -> Any:
        answer = await self.command(
            "script.evaluate",
            expression=script,
            target={"context": self.context},
            awaitPromise=True,
            userActivation=True,
        )
        assert answer["type"] == "success", answer["exceptionDetails"]
        return answer["result"].get("value")

    async def until(self, condition: str, timeout_s: float = WAIT_S) -> None:
        # Asked again and again: a promise that takes its time is sometimes never answered for.
        try:
            async with asyncio.timeout(timeout_s):
                while not await self.evaluate(f"Boolean({condition})"):
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"never true: {condition}") from None


@asynccontextmanager
async def loudspeaker() -> AsyncIterator[dict[str, str]]:
    """The environment of a program whose sound goes nowhere, in time; skips without PulseAudio."""
    if shutil.which("pulseaudio") is None:
        pytest.skip("needs PulseAudio: apt-get install pulseaudio")
    # Not pytest's folder: the name of a socket must be short.
    with tempfile.TemporaryDirectory(prefix="kaiwa-") as folder:
        environment = {**os.environ, "HOME": folder, "XDG_RUNTIME_DIR": folder}
        socket = Path(folder, "sound")
        process = await asyncio.create_subprocess_exec(
            *("pulseaudio", "-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1"),
            "--load=module-null-sink rate=48000",
            f"--load=module-native-protocol-unix auth-anonymous=1 socket={socket}",
            env=environment,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            await until(socket.exists)
            yield {**environment, "PULSE_SERVER": f"unix:{socket}"}
        finally:
            process.kill()
            await process.wait()


@asynccontextmanager
async def page_in_firefox(
    url: str, profile: Path, environment: dict[str, str], *, before: str = ""
) -> AsyncIterator[FirefoxPage]:
    """The page at `url` in a fresh browser; skips where there is no Firefox.

    Args:
        url: what to open.
        profile: where the browser may write.
        environment: of the browser.
        before: a script that runs before those of the page.
    """
    firefox = shutil.which("firefox-esr") or shutil.which("firefox")
    if firefox is None:
        pytest.skip("needs Firefox: apt-get install firefox-esr")
    _prepare(profile)
    process = await asyncio.create_subprocess_exec(
        *(firefox, "--headless", "--no-remote", "--profile", str(profile)),
        *("--remote-debugging-port", "0", "about:blank"),
        env=environment,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    reading = asyncio.create_task(_address_and_rest(process.stderr, address := asyncio.Future()))
    try:
        async with asyncio.timeout(START_S):
            await address
        async with aiohttp.ClientSession() as session:
            async with session.ws_connect(f"{address.result()}/session", max_msg_size=0) as socket:
                page = FirefoxPage(socket)
                await page.command("session.new", capabilities={})
                await page.command("session.subscribe", events=["log.entryAdded"])
                tree = await page.command("browsingContext.getTree")
                page.context = tree["contexts"][0]["context"]
                script = f"() => {{ {before} }}"
                await page.command("script.addPreloadScript", functionDeclaration=script)
                go = {"context": page.context, "url": url, "wait": "complete"}
                await page.command("browsingContext.navigate", **go)
                yield page
                assert not page.errors
    finally:
        process.kill()
        await process.wait()
        await reading


def _prepare(profile: Path) -> None:
    profile.mkdir()
    lines = [f"user_pref({json.dumps(k)}, {json.dumps(v)});" for k, v in PREFERENCES.items()]
    (profile / "user.js").write_text("\n".join(lines))


async def _address_and_rest(stderr: asyncio.StreamReader, address: "asyncio.Future[str]") -> None:
    """Finds out where the browser listens, and reads on, so that it never waits to be read."""
    said = b"WebDriver BiDi listening on "
    async for line in stderr:
        if said in line:
            address.set_result(line.partition(said)[2].decode().strip())
