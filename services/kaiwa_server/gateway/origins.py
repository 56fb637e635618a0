"""Which web pages may talk here: the origins that browsers name, RFC 6455 section 10.2.

A browser lets any page open a WebSocket to anywhere, this machine included, and says in `Origin`
whose page it is. What is no browser sends none, or could send any.
"""

from collections.abc import Sequence

from kaiwa_server.serving.origin import ANY_ORIGIN, host_of

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
        own = host_of(origin)
        if own and own == host.lower():
            return None
        told = origin[:MAX_TOLD_CHARACTERS]
        return (
            f"a page of {told} may not talk to {host}: start the gateway with "
            f"--allow-origin {told} if it should; if it is this gateway's own page, let the proxy "
            "pass Host on as it comes"
        )
