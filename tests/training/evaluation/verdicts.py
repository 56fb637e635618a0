"""Verdicts for the tests."""

from kaiwa_training.evaluation.judging import Verdict


def verdict(**known: object) -> Verdict:
    """A right answer to a clean question, but for what is known better."""
    fields: dict[str, object] = {
        "call": "call",
        "turn": 0,
        "scene": "two questions",
        "condition": "clean",
        "clip": "clip",
        "kind": 4,
        "intent": "name",
        "text": "What is your name?",
        "voice": "slt",
        "engine": "flite",
        "expected": "My name is Moshi.",
        "heard": "My name is Moshi.",
        "right": True,
        "first_word_s": 0.4,
        "greeting_right": True,
        "frames_dropped": 0,
        "frames_late": 0,
        "lag_p99_ms": 30.0,
        "mouth_to_ear_p99_ms": 200.0,
        "sent_late_ms": 1.0,
        "seed": 1,
    }
    return Verdict(**(fields | known))  # type: ignore[arg-type]
