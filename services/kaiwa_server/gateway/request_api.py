"""The contract's requests: what a client tells a conversation after its config."""

from typing import Final

from kaiwa.v1 import dialogue_pb2

from kaiwa_server.errors import BadFrame, BadSettings, ConfigRepeated
from kaiwa_server.gateway.formats import SoundDecoder
from kaiwa_server.gateway.inputs import Flush, Hold, Input, Mute, NewSettings
from kaiwa_server.gateway.pace import Pace

_PACES: Final = {
    dialogue_pb2.PACE_UNSPECIFIED: Pace.LIVE,
    dialogue_pb2.PACE_LIVE: Pace.LIVE,
    dialogue_pb2.PACE_FAST: Pace.FAST,
}


def pace_of(config: dialogue_pb2.ConverseConfig) -> Pace:
    """Gives the pace that a client asks for.

    Raises:
        BadSettings: it is not known here.
    """
    if config.pace not in _PACES:
        raise BadSettings(f"pace {config.pace} is not known here: ask for PACE_LIVE or PACE_FAST")
    return _PACES[config.pace]


def input_of(request: dialogue_pb2.ConverseRequest, decoder: SoundDecoder) -> Input:
    """Reads a request that is not the first; `decoder` turns its sound into samples.

    Raises:
        ConfigRepeated: a second config.
        BadFrame: there is nothing in it.
        BadRequest: what `decoder` raises.
    """
    match request.WhichOneof("request"):
        case "audio":
            return decoder.decode(request.audio.data)
        case "mute":
            return Mute(request.mute.muted)
        case "hold":
            return Hold(request.hold.held)
        case "flush":
            return Flush()
        case "config":
            raise ConfigRepeated("a second `config`: it is given once; see `settings`")
        case "settings":
            return NewSettings(
                {field.name: value for field, value in request.settings.ListFields()}
            )
        case _:
            raise BadFrame("a message without sound: send `audio`, or a control")
