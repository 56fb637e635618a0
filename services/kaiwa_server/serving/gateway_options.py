"""What an operator tells a gateway, whether it is started by itself or by `kaiwa-serve`."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings

from kaiwa_server.serving.origin import check_origin


class GatewayOptions(BaseSettings):
    """The gateway's options that have the same meaning whoever starts it."""

    recordings: Path | None = Field(
        None,
        description="Folder for the recordings of those sessions that ask for one. Default: no "
        "session may be recorded.",
    )
    recordings_max_mb: int = Field(
        10_000, description="All recordings together, in MB; the oldest are removed first.", ge=1
    )
    recordings_max_days: float = Field(
        30.0, description="How long a recording is kept, in days.", gt=0
    )
    silence_s: float = Field(
        15.0, description="How long a client may send nothing before it is ended, in s.", gt=0
    )
    hold_s: float = Field(
        45.0,
        description="How long a client may hold its conversation, in s. Codec and LM service hear "
        "nothing meanwhile, and need a longer --silence-s; kaiwa-serve gives it to them.",
        gt=0,
    )
    allow_origin: tuple[Annotated[str, AfterValidator(check_origin)], ...] = Field(
        (),
        description="Origin of a web page that may talk here, besides the gateway's own, such as "
        "https://voice.example.org; may be given again; * is any.",
    )
    prompts: Literal["ignore", "refuse"] = Field(
        "ignore",
        description="What becomes of a prompt at /api/chat that the loaded model does not follow: "
        "`ignore` tells the client and the log, `refuse` ends the call.",
    )
    twilio_auth_token_file: Path | None = Field(
        None,
        description="File with the auth token of a Twilio account; then phone calls are taken from "
        "that account only. Without it, from whoever connects.",
    )


def given_flags(options: GatewayOptions) -> list[str]:
    """Writes those that were given, and are not left to their defaults, as flags of the gateway."""
    flags = []
    for name in sorted(options.model_fields_set & GatewayOptions.model_fields.keys()):
        value = getattr(options, name)
        values = value if isinstance(value, tuple) else (value,)
        flags += [f"--{name.replace('_', '-')}={each}" for each in values if each is not None]
    return flags
