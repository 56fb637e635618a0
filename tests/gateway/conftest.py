from collections.abc import AsyncIterator

import pytest
from gateway.running_gateway import Gateway, running_gateway


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    """A gateway that loses patience soon; at the end of a test nobody may hold anything in it."""
    async with running_gateway(
        first_message_timeout_s=0.3, codec_accept_s=1.5, codec_answer_s=1.5, max_sessions=2
    ) as gateway:
        yield gateway
        await gateway.is_empty()
