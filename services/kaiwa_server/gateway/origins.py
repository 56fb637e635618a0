"""Which web pages may talk here: the origins that browsers name, RFC 6455 section 10.2.

A browser lets any page open a WebSocket to anywhere, this machine included, and says in `Origin`
whose page it is. What is no browser sends none, or could send any.
"""

from collections.abc import Sequence
from urllib.parse import urlsplit

ANY_ORIGIN = "*"
MAX_TOLD_CHARACTERS = 100


class Origins:
    """The origins whose pages may talk here, besides this host's own."""

    def __init__(self, allowed: Sequence[str]) -> None:
        self._allowed = {origin.lower() for origin in allowed}

    def refusal(self, origin: str | None, host: str) -> str | None:
        """Gives why a page may not talk here, and what to do; None if it may.

        Args:
            origin: the request's header `Origin`, for instance `https://voice.example.org`.
            host: its header `Host`. A page is this host's own if its origin has the same, under
                http or https: a proxy may have taken off the encryption.
        """
        if origin is None or ANY_ORIGIN in self._allowed or origin.lower() in self._allowed:
            return None
        own = _host_of(origin)
        if own and own == host.lower():
            return None
        told = origin[:MAX_TOLD_CHARACTERS]
        return (
            f"a page of {told} may not talk to {host}: start the gateway with "
            f"--allow-origin {told} if it should; if it is this gateway's own page, let the proxy "
            "pass Host on as it comes"
        )


def check_origin(origin: str) -> str:
    """Gives an origin that an operator allows.

    Raises:
        ValueError: it is none.
    """
    host = _host_of(origin)
    if origin != ANY_ORIGIN and (not host or origin.lower().partition("://")[2] != host):
        raise ValueError(
            f"{origin!r} is no origin: write scheme, host and port as browsers do, without a path, "
            "for instance https://voice.example.org or http://localhost:5173, or * for any"
        )
    return origin


def _host_of(origin: str) -> str:
    """Gives the host and port of a web page's origin, in lower case; nothing where it is none."""
    try:
        parts = urlsplit(origin.lower())
    except ValueError:
        return ""
    return parts.netloc if parts.scheme in ("http", "https") else ""
