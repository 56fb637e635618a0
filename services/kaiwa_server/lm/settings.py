"""What a session asks of the language model, checked."""

import math
from dataclasses import dataclass

from kaiwa_server.errors import BadSettings
from kaiwa_server.journal import Sampling

GREATEST_TEMPERATURE = 5.0
GREATEST_TEXT_TOP_K = 32_000
GREATEST_AUDIO_TOP_K = 2_048
GREATEST_SEED = 2**63 - 1


@dataclass(frozen=True, kw_only=True)
class LmSettings:
    """A session's settings; the defaults are the contract's.

    Attributes:
        text_temperature: of the inner monologue; 0 always takes the likeliest token.
        text_top_k: how many of the likeliest text tokens are drawn from.
        audio_temperature: of the voice; 0 always takes the likeliest token.
        audio_top_k: how many of the likeliest audio tokens are drawn from.
        seed: of the session's draws.
        keep_first_frame: whether step 0 is given no frame, so that the user's first is heard.

    Raises:
        BadSettings: one of them is outside its limits.
    """

    text_temperature: float = 0.7
    text_top_k: int = 25
    audio_temperature: float = 0.8
    audio_top_k: int = 250
    seed: int
    keep_first_frame: bool = True

    def __post_init__(self) -> None:
        _check_temperature("text_temperature", self.text_temperature)
        _check_whole("text_top_k", self.text_top_k, 1, GREATEST_TEXT_TOP_K)
        _check_temperature("audio_temperature", self.audio_temperature)
        _check_whole("audio_top_k", self.audio_top_k, 1, GREATEST_AUDIO_TOP_K)
        _check_whole("seed", self.seed, 0, GREATEST_SEED)

    @property
    def sampling(self) -> Sampling:
        """Those of them that may be changed in mid-call."""
        return Sampling(
            text_temperature=self.text_temperature,
            text_top_k=self.text_top_k,
            audio_temperature=self.audio_temperature,
            audio_top_k=self.audio_top_k,
        )


def _check_temperature(field: str, value: float) -> None:
    if not (math.isfinite(value) and 0 <= value <= GREATEST_TEMPERATURE):
        raise BadSettings(f"{field} is {value}: give one from 0 to {GREATEST_TEMPERATURE:g}")


def _check_whole(field: str, value: int, least: int, greatest: int) -> None:
    if not least <= value <= greatest:
        raise BadSettings(f"{field} is {value}: give one from {least} to {greatest}")
