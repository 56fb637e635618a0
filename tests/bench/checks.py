"""Whether programs give the same on the same input, before anything is timed."""

from collections.abc import Sequence

from torch import Tensor

SOUND_TOLERANCE = 1e-4


def tokens_check(ours: Sequence[Tensor], peers: Sequence[Tensor]) -> str:
    """Compares the tokens of some steps."""
    pairs = list(zip(ours, peers, strict=True))
    differing = sum(int((mine != theirs).sum()) for mine, theirs in pairs)
    count = sum(mine.numel() for mine, _ in pairs)
    return f"{differing} of {count} tokens differ" if differing else f"{count} tokens equal"


def sound_check(ours: Sequence[Tensor], peers: Sequence[Tensor]) -> str:
    """Compares the samples of some steps."""
    pairs = zip(ours, peers, strict=True)
    error = max(float((mine.float() - theirs).abs().max()) for mine, theirs in pairs)
    return f"sound {'within' if error <= SOUND_TOLERANCE else 'off by'} {error:.0e}"
