"""How fast a training learns at each step."""

import math


def learning_rate(step: int, *, top: float, steps: int, warm_up: int = 100) -> float:
    """Rises to `top` over the warm-up, then falls as a cosine to a thirtieth of it."""
    if step < warm_up:
        return top * (step + 1) / warm_up
    done = (step - warm_up) / max(1, steps - warm_up)
    low = top / 30
    return low + (top - low) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
