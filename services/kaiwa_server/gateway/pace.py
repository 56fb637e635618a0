"""Whose time a conversation keeps."""

from enum import Enum


class Pace(Enum):
    """LIVE is the gateway's time, a step every 80 ms; FAST is the model's, as fast as it can."""

    LIVE = "live"
    FAST = "fast"
