"""What a client tells a conversation, after a shell has read it in its own protocol."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Mute:
    """Whether the user is heard as silence from here on."""

    muted: bool


@dataclass(frozen=True, slots=True)
class Hold:
    """Whether the conversation stands still from here on."""

    held: bool


@dataclass(frozen=True, slots=True)
class Flush:
    """What waits of Moshi's voice is to be left out."""


@dataclass(frozen=True, slots=True)
class NewSettings:
    """What the model is asked from here on, by the contract's names: those that are other."""

    given: Mapping[str, float]


# The user's sound, float32 [n], mono, 24 kHz, or a control.
Input = NDArray[np.float32] | Mute | Hold | Flush | NewSettings
