"""What is aimed at: how many times sooner than the best peer ours is to be done."""

FULL_PRECISION, REDUCED_PRECISION = False, True

STEP_TARGETS = {
    ("mimi", FULL_PRECISION): {1: 2.0, 8: 1.8, 16: 1.8},
    ("mimi", REDUCED_PRECISION): {8: 5.0, 16: 6.0},
    ("lm small", FULL_PRECISION): {1: 3.0, 8: 3.0},
    ("lm middle", FULL_PRECISION): {1: 1.1, 8: 2.0},
    ("lm middle", REDUCED_PRECISION): {1: 3.0, 8: 4.0},
}
"""By model and whether the precision is reduced: the ratio for each number of sessions."""

GATEWAY_SESSIONS = 32
GATEWAY_ADDED_P99_MS = 20.0


def step_target(model: str, sessions: int, *, reduced: bool) -> float | None:
    """The ratio aimed at, if there is one for so many sessions."""
    return STEP_TARGETS.get((model, reduced), {}).get(sessions)


def gateway_target_ms(sessions: int) -> float | None:
    """What the gateway may add at the 99th percentile, if so many sessions have a target."""
    return GATEWAY_ADDED_P99_MS if sessions == GATEWAY_SESSIONS else None
