"""The services' commands where their packages are not installed."""

import asyncio
import sys

import pytest


@pytest.mark.parametrize(
    ("command", "missing", "extra"),
    [
        ("gateway", "aiohttp", "gateway"),
        ("codec", "torch", "codec"),
        ("lm", "sentencepiece", "lm"),
        ("stack", "huggingface_hub", "all"),
    ],
)
async def test_a_command_without_its_packages_says_what_to_install(
    command: str, missing: str, extra: str
) -> None:
    code = (
        f"import sys; sys.modules['{missing}'] = None; "
        f"from kaiwa_server.commands import {command}; {command}()"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code), stderr=asyncio.subprocess.PIPE
    )
    _, err = await process.communicate()
    assert process.returncode == 1
    assert err.decode() == f"this command needs {missing}: pip install 'kaiwa[{extra}]'\n"
