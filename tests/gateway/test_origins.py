import aiohttp
import pytest
from gateway.running_gateway import Gateway, running_gateway
from kaiwa_server.gateway.config import GatewayConfig
from kaiwa_server.gateway.origins import Origins
from kaiwa_server.serving.config import parse

PATHS = ("/v1/converse", "/api/chat", "/v1/twilio")


async def connect(gateway: Gateway, path: str, origin: str | None) -> tuple[int, str]:
    """How a browser whose page is of this origin is answered: status, text."""
    url = gateway.url.removesuffix("/api/chat") + path
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        **({"Origin": origin} if origin is not None else {}),
    }
    async with (
        aiohttp.ClientSession() as session,
        session.get(url, headers=headers) as response,
    ):
        return response.status, "" if response.status == 101 else await response.text()


@pytest.mark.parametrize("path", PATHS)
async def test_a_page_of_another_origin_is_refused_by_name(gateway: Gateway, path: str) -> None:
    status, text = await connect(gateway, path, "https://evil.example")
    assert status == 403
    assert text.startswith("a page of https://evil.example may not talk to 127.0.0.1:")
    assert "--allow-origin https://evil.example" in text
    assert gateway.host.seats.taken == 0 and not gateway.codec.settings


@pytest.mark.parametrize("path", PATHS)
async def test_the_gateway_s_own_page_and_what_is_no_browser_are_taken(
    gateway: Gateway, path: str
) -> None:
    own = gateway.url.removesuffix("/api/chat")
    for origin in (own, own.replace("http://", "https://"), None):
        assert (await connect(gateway, path, origin))[0] == 101
    await gateway.is_empty()


async def test_a_page_that_the_operator_allows_is_taken() -> None:
    pages = ("https://voice.example.org", "http://localhost:5173")
    async with running_gateway(allow_origin=pages) as gateway:
        for origin in pages:
            assert (await connect(gateway, "/v1/converse", origin))[0] == 101
        assert (await connect(gateway, "/v1/converse", "http://localhost:5174"))[0] == 403
        await gateway.is_empty()


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        ("https://voice.example.org", "voice.example.org", True),
        ("https://Voice.Example.org", "voice.example.ORG", True),
        ("http://localhost:8998", "localhost:8998", True),
        ("http://[::1]:8998", "[::1]:8998", True),
        ("http://localhost:8999", "localhost:8998", False),
        ("https://voice.example.org.evil.example", "voice.example.org", False),
        ("https://user@voice.example.org", "voice.example.org", False),
        ("ftp://voice.example.org", "voice.example.org", False),
        ("null", "voice.example.org", False),
        ("null", "null", False),
        ("", "", False),
        ("http://[", "voice.example.org", False),
    ],
)
def test_a_page_is_the_host_s_own_if_host_and_port_are_the_same(
    origin: str, host: str, allowed: bool
) -> None:
    assert (Origins(()).refusal(origin, host) is None) == allowed


def test_any_page_may_talk_where_the_operator_says_so() -> None:
    assert Origins(("*",)).refusal("null", "voice.example.org") is None


def test_an_origin_that_is_very_long_is_not_told_in_full() -> None:
    refusal = Origins(()).refusal("https://" + "a" * 10_000, "voice.example.org")
    assert refusal is not None and len(refusal) < 600


def test_origins_are_flags_that_may_be_given_again() -> None:
    flags = ["--allow-origin", "https://a.example", "--allow-origin", "http://localhost:5173"]
    config = parse(GatewayConfig, flags)
    assert config.allow_origin == ("https://a.example", "http://localhost:5173")


@pytest.mark.parametrize(
    "origin", ["voice.example.org", "https://a.example/", "https://a.example/x", "http://"]
)
def test_what_is_no_origin_is_refused_at_the_start(origin: str) -> None:
    with pytest.raises(SystemExit, match="is no origin: write scheme, host and port"):
        parse(GatewayConfig, ["--allow-origin", origin])
