"""The watchdog over answers, with the event loop's own clock."""

import asyncio

import pytest
from kaiwa_server.serving.watchdog import Watchdog

WAIT_S = 5.0


async def test_it_calls_when_an_answer_that_is_owed_does_not_come() -> None:
    silent = asyncio.Event()
    Watchdog(0.01, silent.set).owe()
    await asyncio.wait_for(silent.wait(), WAIT_S)


async def test_it_still_watches_for_the_answers_after_the_first() -> None:
    silent = asyncio.Event()
    watchdog = Watchdog(0.01, silent.set)
    watchdog.owe()
    watchdog.owe()
    watchdog.settle()
    await asyncio.wait_for(silent.wait(), WAIT_S)


@pytest.mark.parametrize("end", ["settle", "close"])
async def test_it_is_quiet_when_nothing_is_owed_or_watched_any_more(end: str) -> None:
    silent = asyncio.Event()
    watchdog = Watchdog(0.0, silent.set)
    watchdog.owe()
    getattr(watchdog, end)()
    other = asyncio.Event()
    asyncio.get_running_loop().call_later(0.01, other.set)
    await other.wait()
    assert not silent.is_set()


async def test_an_answer_that_nobody_asked_for_is_refused() -> None:
    with pytest.raises(ValueError, match="nobody asked for"):
        Watchdog(1.0, lambda: None).settle()
