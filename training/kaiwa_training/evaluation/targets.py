"""What the demo model should reach."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kaiwa_training.speech.plan import Kind


@dataclass(frozen=True)
class Targets:
    """Least shares and greatest figures; the report sets every figure beside its target."""

    right_by_kind: Mapping[Kind, float] = field(
        default_factory=lambda: {
            Kind.HELD_OUT_PHRASING: 0.95,
            Kind.HELD_OUT_VOICE: 0.90,
            Kind.HELD_OUT_BOTH: 0.85,
        }
    )
    """Right answers in each kind of held-out questions, every engine counting equally."""
    questions: int = 300
    """Judged in each of these kinds."""
    scenes: float = 0.95
    """Right in each special scene, and greetings."""
    replies_word_errors: float = 0.20
    replies_over_original: float = 1.5
    """Word errors in the replies, at most so many times those of the original voice."""
    codec_over_original: float = 2.0
    """Word errors after the codec, at most so many times those before it."""
    condition_loss: float = 0.05
    """What a condition may cost, of the share of right answers to the same questions."""
    frame_ms: float = 40.0
    checkpoint_bytes: int = 20_000_000
