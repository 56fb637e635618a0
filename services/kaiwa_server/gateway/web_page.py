"""The page on which one talks with Moshi in a browser."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web

# In the repository this is a link to clients/web; a wheel holds the files themselves.
FOLDER = Path(__file__).parents[1] / "web"

_HEADERS = {
    # Nothing but its own files; and a socket, which not every browser counts as its own.
    "Content-Security-Policy": "default-src 'self'; connect-src 'self' ws: wss:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # A new version is seen at once; what is unchanged is answered with 304.
    "Cache-Control": "no-cache",
}


def page_routes() -> list[web.RouteDef]:
    """Gives a route for each file of the page; `/` is its index.html."""
    routes = [web.get("/", _file(FOLDER / "index.html"))]
    for path in sorted(FOLDER.iterdir()):
        routes.append(web.get(f"/{path.name}", _file(path)))
    return routes


def _file(path: Path) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.FileResponse(path, headers=_HEADERS)

    return answer
