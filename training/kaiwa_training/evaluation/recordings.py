"""Moshi's replies as callers heard them, kept to be read by a recogniser."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
from kaiwa.cli.sound import SAMPLE_RATE_HZ, Samples
from kaiwa.cli.words import words_of

from kaiwa_training.evaluation.call import HeldCall
from kaiwa_training.evaluation.judging import Verdict
from kaiwa_training.evaluation.scenes import PlannedCall, Scene

_BEFORE_S = 0.16
_AFTER_S = 1.5
"""The last word's start is known, its end is not."""


class Recordings:
    """A folder with a folder for each intent: some `takes` recordings of each right reply."""

    def __init__(self, folder: Path, takes: int) -> None:
        self._folder = folder
        self._takes = takes

    def keep(self, planned: PlannedCall, held: HeldCall, verdicts: Sequence[Verdict]) -> None:
        """Writes the call's replies of which there are not enough yet."""
        if planned.scene is not Scene.TWO_QUESTIONS:
            return
        for verdict in verdicts:
            if verdict.right and len(self._paths(verdict.intent)) < self._takes:
                # Calls that end together write to files of their own.
                path = self._folder / verdict.intent / f"{planned.seed}-{verdict.turn}.wav"
                path.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(path, reply_of(held, verdict.turn), SAMPLE_RATE_HZ)

    def takes_of(self, intent: str) -> list[Samples]:
        """The recordings of a reply, float32 [n] each."""
        paths = self._paths(intent)[: self._takes]
        return [soundfile.read(path, dtype="float32")[0] for path in paths]

    def _paths(self, intent: str) -> list[Path]:
        return sorted((self._folder / intent).glob("*.wav"))


def reply_of(held: HeldCall, turn: int) -> Samples:
    """Moshi's voice from the first to the last word that came after a question."""
    start_s = held.asked[turn].start_s
    following = held.asked[turn + 1 :]
    end_s = following[0].start_s if following else np.inf
    words_s = [word.at_s for word in words_of(held.recording.pieces)]
    answer_s = [word_s for word_s in words_s if start_s <= word_s < end_s]
    first = int((answer_s[0] - _BEFORE_S) * SAMPLE_RATE_HZ)
    last = int((answer_s[-1] + _AFTER_S) * SAMPLE_RATE_HZ)
    return held.recording.moshi_track()[max(0, first) : last]
