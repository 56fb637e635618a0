"""What the gateway answers over HTTP, by path."""

from aiohttp import web

from kaiwa_server.gateway.codec_link import CodecService
from kaiwa_server.gateway.dialogue_api import Dialogue
from kaiwa_server.gateway.host import Host
from kaiwa_server.gateway.json_api import JsonApi
from kaiwa_server.gateway.sockets import Sockets
from kaiwa_server.gateway.twilio_api import TwilioApi
from kaiwa_server.gateway.twilio_signature import TwilioSignature
from kaiwa_server.gateway.web_page import page_routes
from kaiwa_server.gateway.websocket_api import WebSocketApi


def http_app(
    dialogue: Dialogue,
    codec: CodecService,
    host: Host,
    sockets: Sockets,
    first_message_timeout_s: float,
    signature: TwilioSignature | None,
    takes_prompts: bool,
) -> web.Application:
    """Gives the HTTP side of the gateway."""
    app = web.Application()
    app.router.add_get("/v1/converse", JsonApi(dialogue, sockets).converse)
    phone = TwilioApi(codec, host, sockets, first_message_timeout_s, signature)
    app.router.add_get("/v1/twilio", phone.call)
    chat = WebSocketApi(codec, host, sockets, takes_prompts)
    app.router.add_get("/api/chat", chat.chat)
    app.router.add_routes(page_routes())
    return app
