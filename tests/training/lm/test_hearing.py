"""What is known of the user's tokens before the LM is trained."""

import numpy as np
from kaiwa_training.lm.hearing import Hearing


def test_the_tokens_that_sound_most_like_one_are_the_nearest_and_not_itself() -> None:
    line = np.array([[0.0], [10.0], [11.0], [13.0]], np.float32)
    (alike,) = Hearing((line,)).alike(2)
    assert alike.tolist() == [[1, 2], [2, 3], [1, 3], [2, 1]]
