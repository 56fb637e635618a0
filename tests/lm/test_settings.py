"""A session's settings and their limits."""

import math

import pytest
from kaiwa_server.errors import BadSettings
from kaiwa_server.lm.settings import LmSettings


def test_the_defaults_are_the_contract_s() -> None:
    settings = LmSettings(seed=1)
    assert (settings.text_temperature, settings.text_top_k) == (0.7, 25)
    assert (settings.audio_temperature, settings.audio_top_k) == (0.8, 250)
    assert settings.keep_first_frame


@pytest.mark.parametrize("value", [0.0, 0.7, 5.0, 3])
@pytest.mark.parametrize("field", ["text_temperature", "audio_temperature"])
def test_temperatures_within_their_limits_are_taken(field: str, value: float) -> None:
    assert getattr(LmSettings(seed=0, **{field: value}), field) == value


@pytest.mark.parametrize("value", [-0.1, 5.1, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("field", ["text_temperature", "audio_temperature"])
def test_temperatures_outside_their_limits_are_refused(field: str, value: float) -> None:
    with pytest.raises(BadSettings) as error:
        LmSettings(seed=0, **{field: value})
    assert str(error.value) == f"{field} is {value}: give one from 0 to 5"


LIMITS = [("text_top_k", 1, 32_000), ("audio_top_k", 1, 2_048), ("seed", 0, 2**63 - 1)]


@pytest.mark.parametrize(("field", "least", "greatest"), LIMITS)
def test_whole_numbers_are_taken_up_to_their_limits(field: str, least: int, greatest: int) -> None:
    for value in (least, greatest):
        assert getattr(LmSettings(**{"seed": 0, field: value}), field) == value


@pytest.mark.parametrize(("field", "least", "greatest"), LIMITS)
def test_whole_numbers_outside_their_limits_are_refused(
    field: str, least: int, greatest: int
) -> None:
    for value in (least - 1, greatest + 1):
        with pytest.raises(BadSettings) as error:
            LmSettings(**{"seed": 0, field: value})
        assert str(error.value) == f"{field} is {value}: give one from {least} to {greatest}"
