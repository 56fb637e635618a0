"""What the origin of a web page is, as browsers name it: scheme, host and port."""

from urllib.parse import urlsplit

ANY_ORIGIN = "*"


def check_origin(origin: str) -> str:
    """Gives an origin that an operator allows.

    Raises:
        ValueError: it is none.
    """
    host = host_of(origin)
    if origin != ANY_ORIGIN and (not host or origin.lower().partition("://")[2] != host):
        raise ValueError(
            f"{origin!r} is no origin: write scheme, host and port as browsers do, without a path, "
            "for instance https://voice.example.org or http://localhost:5173, or * for any"
        )
    return origin


def host_of(origin: str) -> str:
    """Gives the host and port of a web page's origin, in lower case; nothing where it is none."""
    try:
        parts = urlsplit(origin.lower())
    except ValueError:
        return ""
    return parts.netloc if parts.scheme in ("http", "https") else ""
