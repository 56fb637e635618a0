"""What Moshi should say."""

from collections.abc import Mapping
from dataclasses import dataclass

OTHER = "other"
"""The intent of whatever Moshi does not understand."""


@dataclass(frozen=True)
class Lines:
    """Moshi's sentences, word for word."""

    greeting: str
    not_understood: str
    replies: Mapping[str, str]
    """The reply of each intent; `OTHER` is not among them."""

    @property
    def intents(self) -> tuple[str, ...]:
        """Every intent, `OTHER` too."""
        return (*self.replies, OTHER)

    def reply(self, intent: str) -> str:
        """What should follow a question of this intent."""
        return self.not_understood if intent == OTHER else self.replies[intent]
