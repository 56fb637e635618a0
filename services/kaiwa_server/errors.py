"""Everything that can go wrong in words a caller can act on.

    KaiwaError
    ├── BadRequest                INVALID_ARGUMENT      the caller sent something wrong
    │   ├── ConfigMissing         · CONFIG_MISSING      the first message is not the config
    │   ├── ConfigRepeated        · CONFIG_REPEATED     a second config
    │   ├── BadSettings           · BAD_SETTINGS        a setting outside its limits
    │   ├── UnsupportedAudio      · UNSUPPORTED_AUDIO   a rate or coding we do not take
    │   ├── BadOpus               · BAD_OPUS            bytes that are not an Opus packet
    │   ├── BadOgg                · BAD_OGG             bytes that are not an Ogg-Opus stream
    │   ├── BadJson               · BAD_JSON            text that is not a message in JSON
    │   ├── BadFrame              · BAD_FRAME           a frame of the wrong size or number
    │   ├── BadToken              · BAD_TOKEN           a token outside its codebook
    │   └── PacketTooLarge        · PACKET_TOO_LARGE    a packet over its limit
    ├── ConfigTimeout             DEADLINE_EXCEEDED · CONFIG_TIMEOUT   no config within 10 s
    ├── ClientSilent              DEADLINE_EXCEEDED · CLIENT_SILENT    nothing heard for too long
    ├── HoldTooLong               DEADLINE_EXCEEDED · HOLD_TOO_LONG    on hold for over 45 s
    ├── SlowConsumer              ABORTED · SLOW_CONSUMER              the caller does not read
    ├── ServiceFull               RESOURCE_EXHAUSTED · FULL            every slot is taken
    ├── NotReady                  UNAVAILABLE · NOT_READY              loading its model
    ├── Draining                  UNAVAILABLE · DRAINING               takes no new session
    ├── LmDown                    UNAVAILABLE · LM_DOWN                the LM is gone or frozen
    ├── CodecDown                 UNAVAILABLE · CODEC_DOWN             the codec is gone or frozen
    ├── NotSupported              FAILED_PRECONDITION · NOT_SUPPORTED  the loaded model cannot do it
    ├── RecordingNotPermitted     FAILED_PRECONDITION · RECORDING_NOT_PERMITTED   none here
    ├── ModelFailed               INTERNAL · MODEL_FAILED              a step raised
    ├── CheckpointError           FAILED_PRECONDITION · BAD_CHECKPOINT a file missing or wrong
    └── Upstream                  whatever a service behind this one answered, handed on unchanged

`status` is the name of a gRPC status; `reason` is finer, goes out in the trailer `kaiwa-reason`,
and is what a program should branch on. The text says what to do. `serving/interceptors.py` is the
one door through which these leave a process.
"""


class KaiwaError(Exception):
    """Something went wrong that its receiver can act on."""

    status: str = "INTERNAL"
    reason: str = "INTERNAL"


class BadRequest(KaiwaError):
    """The caller sent something wrong."""

    status = "INVALID_ARGUMENT"
    reason = "BAD_REQUEST"


class ConfigMissing(BadRequest):
    """The first message of a call is not its config."""

    reason = "CONFIG_MISSING"


class ConfigRepeated(BadRequest):
    """A second config in one call."""

    reason = "CONFIG_REPEATED"


class BadSettings(BadRequest):
    """A setting outside its limits."""

    reason = "BAD_SETTINGS"


class UnsupportedAudio(BadRequest):
    """A sample rate or a coding that is not taken."""

    reason = "UNSUPPORTED_AUDIO"


class BadOpus(BadRequest):
    """Bytes that are not an Opus packet."""

    reason = "BAD_OPUS"


class BadOgg(BadRequest):
    """Bytes that are not an Ogg-Opus stream."""

    reason = "BAD_OGG"


class BadJson(BadRequest):
    """Text that is not a message of the contract in JSON."""

    reason = "BAD_JSON"


class BadFrame(BadRequest):
    """A frame of the wrong size or number."""

    reason = "BAD_FRAME"


class BadToken(BadRequest):
    """A token outside its codebook."""

    reason = "BAD_TOKEN"


class PacketTooLarge(BadRequest):
    """A packet over its limit."""

    reason = "PACKET_TOO_LARGE"


class ConfigTimeout(KaiwaError):
    """No config came in time."""

    status = "DEADLINE_EXCEEDED"
    reason = "CONFIG_TIMEOUT"


class ClientSilent(KaiwaError):
    """Nothing was heard from the client for too long."""

    status = "DEADLINE_EXCEEDED"
    reason = "CLIENT_SILENT"


class HoldTooLong(KaiwaError):
    """The caller has left a conversation on hold for too long."""

    status = "DEADLINE_EXCEEDED"
    reason = "HOLD_TOO_LONG"


class SlowConsumer(KaiwaError):
    """The caller does not read what it is sent."""

    status = "ABORTED"
    reason = "SLOW_CONSUMER"


class ServiceFull(KaiwaError):
    """Every slot is taken."""

    status = "RESOURCE_EXHAUSTED"
    reason = "FULL"


class NotReady(KaiwaError):
    """The service is still loading its model."""

    status = "UNAVAILABLE"
    reason = "NOT_READY"


class Draining(KaiwaError):
    """The service takes no new session."""

    status = "UNAVAILABLE"
    reason = "DRAINING"


class LmDown(KaiwaError):
    """The LM service is gone or frozen."""

    status = "UNAVAILABLE"
    reason = "LM_DOWN"


class CodecDown(KaiwaError):
    """The codec service is gone or frozen."""

    status = "UNAVAILABLE"
    reason = "CODEC_DOWN"


class NotSupported(KaiwaError):
    """The loaded model cannot do what was asked."""

    status = "FAILED_PRECONDITION"
    reason = "NOT_SUPPORTED"


class RecordingNotPermitted(KaiwaError):
    """The operator permits no recordings."""

    status = "FAILED_PRECONDITION"
    reason = "RECORDING_NOT_PERMITTED"


class ModelFailed(KaiwaError):
    """A step of a model raised; the sessions in it are lost, the others go on."""

    status = "INTERNAL"
    reason = "MODEL_FAILED"


class CheckpointError(KaiwaError):
    """A checkpoint's file is missing, truncated or of the wrong shape."""

    status = "FAILED_PRECONDITION"
    reason = "BAD_CHECKPOINT"


class Upstream(KaiwaError):
    """What a service behind this one answered, handed on unchanged."""

    def __init__(self, status: str, reason: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.reason = reason
