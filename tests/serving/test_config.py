import pytest
from kaiwa_server.serving.config import ServiceConfig, parse
from pydantic import Field
from pydantic_settings import SettingsConfigDict


class TeaConfig(ServiceConfig):
    model_config = SettingsConfigDict(env_prefix="KAIWA_TEA_")
    cups: tuple[int, int] = (1, 2)
    port: int = Field(50099, description="Port.", ge=0, le=65535)
    metrics_port: int = 9499


def test_a_flag_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAIWA_TEA_PORT", "1111")
    monkeypatch.setenv("KAIWA_TEA_METRICS_PORT", "2222")
    config = parse(TeaConfig, ["--port", "3333"])
    assert (config.port, config.metrics_port) == (3333, 2222)


def test_a_config_cannot_be_changed() -> None:
    config = parse(TeaConfig, [])
    with pytest.raises(ValueError, match="frozen"):
        config.port = 1  # type: ignore[misc]


def test_a_wrong_value_is_named_as_flag_and_as_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAIWA_TEA_METRICS_PORT", "high")
    with pytest.raises(SystemExit) as caught:
        parse(TeaConfig, [])
    assert "--metrics-port (or KAIWA_TEA_METRICS_PORT)" in str(caught.value)
    assert "'high'" in str(caught.value)


def test_a_list_that_is_no_list_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAIWA_TEA_CUPS", "3,4")
    with pytest.raises(SystemExit, match=r'wrong configuration: .*"cups".*as JSON'):
        parse(TeaConfig, [])


def test_an_unknown_flag_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(TeaConfig, ["--no-such-flag", "1"])
    assert "no-such-flag" in capsys.readouterr().err


def test_help_names_every_flag_with_its_meaning(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(TeaConfig, ["--help"])
    text = capsys.readouterr().out
    for flag in ("--port", "--host", "--drain-s", "--log-format", "[env: KAIWA_TEA_PORT]"):
        assert flag in text
