"""The codec alone: a voice encoded to tokens and decoded again, in this process."""

from pathlib import Path

import numpy as np
import torch
from kaiwa_server.audio import FRAME_SAMPLES
from kaiwa_server.models.checkpoint import Checkpoint, load_mimi

from kaiwa_training.evaluation.clips import Samples

_LEAD_FRAMES = 4


class CodecRoundTrip:
    """A checkpoint's codec, one sentence after the other, on one thread."""

    def __init__(self, model_dir: Path) -> None:
        torch.set_num_threads(1)
        self._mimi = load_mimi(Checkpoint.open(model_dir))

    @torch.inference_mode()
    def copy(self, samples: Samples) -> Samples:
        """What is left of float32 [n] after the codec, of the same length and in the same place.

        The sentence comes after 320 ms of silence, as in a call nobody speaks in the first frame.
        """
        lead = _LEAD_FRAMES * FRAME_SAMPLES
        padded = np.pad(samples, (lead, -len(samples) % FRAME_SAMPLES))
        rows = torch.zeros(1, dtype=torch.int64)
        pcm = torch.from_numpy(padded)[None, None]  # [1, 1, 1920 * T]
        codes = self._mimi.encode(self._mimi.new_encoder_state(1), rows, pcm)  # [1, K, T]
        decoded = self._mimi.decode(self._mimi.new_decoder_state(1), rows, codes)
        copy: Samples = decoded[0, 0, lead : lead + len(samples)].numpy()
        return copy
