"""What `kaiwa-serve` tells its services, read as they read it."""

from collections.abc import Sequence

import pytest
from kaiwa_server.codec.config import CodecServiceConfig
from kaiwa_server.gateway.config import GatewayConfig
from kaiwa_server.lm.config import LmServiceConfig
from kaiwa_server.serving.config import parse
from kaiwa_server.serving.gateway_options import GatewayOptions
from kaiwa_server.stack.__main__ import specs
from kaiwa_server.stack.config import StackConfig

GIVEN = (
    *("--recordings", "/tmp/kept", "--recordings-max-mb", "7", "--recordings-max-days", "0.5"),
    *("--silence-s", "20", "--hold-s", "600", "--prompts", "refuse"),
    *("--allow-origin", "https://voice.example.org", "--allow-origin", "http://localhost:5173"),
    *("--twilio-auth-token-file", "/run/secrets/twilio"),
)


def told(*flags: str) -> tuple[LmServiceConfig, CodecServiceConfig, GatewayConfig]:
    """What each service is told by a `kaiwa-serve` with these flags."""
    lm, codec, gateway = (list(spec.arguments) for spec in specs(parse(StackConfig, list(flags))))
    return (
        parse(LmServiceConfig, lm),
        parse(CodecServiceConfig, codec),
        parse(GatewayConfig, gateway),
    )


def options_of(config: GatewayOptions, names: Sequence[str]) -> dict[str, object]:
    return {name: getattr(config, name) for name in names}


def test_the_gateway_is_told_every_option_of_its_own_that_is_given() -> None:
    names = list(GatewayOptions.model_fields)
    given = parse(StackConfig, list(GIVEN))
    assert given.model_fields_set == set(names), "this test gives all of them"
    _, _, gateway = told(*GIVEN)
    assert options_of(gateway, names) == options_of(given, names)


def test_what_is_not_given_is_left_to_the_gateway_and_its_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KAIWA_GATEWAY_PROMPTS", "refuse")
    monkeypatch.setenv("KAIWA_SERVE_RECORDINGS_MAX_MB", "5")
    _, _, gateway = told("--allow-origin", "*")
    assert gateway.prompts == "refuse" and gateway.allow_origin == ("*",)
    assert gateway.recordings is None and gateway.recordings_max_mb == 5


def test_the_services_behind_bear_a_longer_silence_than_a_hold_may_last() -> None:
    for flags, silence_s in (((), 60), (("--hold-s", "600"), 615), (("--silence-s", "90"), 105)):
        lm, codec, _ = told(*flags)
        assert lm.silence_s == codec.silence_s == silence_s
