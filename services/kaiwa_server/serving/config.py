"""What every service can be told, by flags and by environment variables.

A service's own config adds its fields to `ServiceConfig`. Each field is a flag (`--metrics-port`)
and an environment variable (`KAIWA_LM_METRICS_PORT`); a flag wins.
"""

from typing import Literal, TypeVar

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, CliApp, SettingsConfigDict, SettingsError

ConfigT = TypeVar("ConfigT", bound=BaseSettings)


class ServiceConfig(BaseSettings):
    """What every service can be told."""

    model_config = SettingsConfigDict(
        frozen=True,
        cli_kebab_case=True,
        cli_implicit_flags=True,
        cli_hide_none_type=True,
        cli_avoid_json=True,
        cli_show_env_vars=True,
    )

    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 is every interface.")
    port: int = Field(description="Port of the gRPC service; 0 takes any free one.", ge=0, le=65535)
    metrics_port: int = Field(
        description="Port of the Prometheus metrics over HTTP; 0 is off.", ge=0, le=65535
    )
    first_message_timeout_s: float = Field(
        10.0, description="How long a call may take to send its first message, in s.", gt=0
    )
    unread_s: float = Field(
        5.0,
        description="How long a caller may read nothing before its call is ended, in s.",
        gt=0,
    )
    lame_duck_s: float = Field(
        0.0,
        description="How long to go on taking calls after a stop signal while already saying "
        "`not ready`, so that load balancers look elsewhere first, in s; 5 in a cluster.",
        ge=0,
    )
    drain_s: float = Field(
        5.0, description="How long open calls may then go on before they are ended, in s.", ge=0
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least serious messages to log."
    )
    log_format: Literal["text", "json"] = Field("text", description="How a message is written.")


def parse(config_class: type[ConfigT], arguments: list[str] | None = None) -> ConfigT:
    """Reads flags and environment into a config, or exits with a sentence for each wrong value.

    Args:
        config_class: what to read.
        arguments: the command line without the program's name; by default the process's own.
    """
    try:
        return CliApp.run(config_class, cli_args=arguments)
    except ValidationError as error:
        prefix = config_class.model_config.get("env_prefix", "")
        lines = []
        for problem in error.errors():
            name = "_".join(str(part) for part in problem["loc"])
            flag = "--" + name.replace("_", "-")
            given = f", got {problem['input']!r}" if problem["type"] != "missing" else ""
            lines.append(f"{flag} (or {prefix}{name.upper()}): {problem['msg']}{given}")
        raise SystemExit("wrong configuration:\n  " + "\n  ".join(lines)) from None
    except SettingsError as error:
        raise SystemExit(f"wrong configuration: {error} (is a list written as JSON?)") from None
