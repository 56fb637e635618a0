"""A conversation with the reference package `moshi`, one user, greedy: what ours must equal."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from moshi.models import LMGen, loaders
from moshi.utils.compile import no_compile
from numpy.typing import NDArray


@dataclass(frozen=True)
class ReferenceReply:
    """What the reference heard and said: tokens [T, K], text tokens [T] and sound [T, 1920]."""

    user_tokens: NDArray[np.int64]
    text_tokens: NDArray[np.int64]
    moshi_tokens: NDArray[np.int64]
    sound: NDArray[np.float32]

    def words(self, model_dir: Path) -> str:
        """The inner monologue, as its own client prints it."""
        tokenizer = checkpoint(model_dir).get_text_tokenizer()
        pieces = [tokenizer.id_to_piece(int(t)) for t in self.text_tokens if t not in (0, 3)]
        return "".join(pieces).replace("▁", " ").strip()


def checkpoint(model_dir: Path) -> loaders.CheckpointInfo:
    """The embedded checkpoint, as the reference sees it."""
    return loaders.CheckpointInfo.from_hf_repo(
        "local",
        moshi_weights=model_dir / "model.safetensors",
        mimi_weights=model_dir / "mimi.safetensors",
        tokenizer=model_dir / "tokenizer.model",
        config_path=model_dir / "config.json",
        mimi_config_path=model_dir / "mimi_config.json",
    )


@contextmanager
def one_thread() -> Iterator[None]:
    """Beside busy services the threads of a small model would mostly wait for one another."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@torch.inference_mode()
def converse(user_frames: NDArray[np.float32], model_dir: Path) -> ReferenceReply:
    """Talks to the reference, as its `run_inference` does: the first frame is given twice.

    Args:
        user_frames: the user's sound [T, 1920].
        model_dir: folder of the checkpoint.
    """
    info = checkpoint(model_dir)
    mimi, lm = info.get_mimi(), info.get_moshi(dtype=torch.float32)
    generator = LMGen(lm, use_sampling=False)
    user, text, moshi, sound = [], [], [], []
    with one_thread(), no_compile(), mimi.streaming(1), generator.streaming(1):
        for index, samples in enumerate(user_frames):
            codes = mimi.encode(torch.from_numpy(samples).reshape(1, 1, -1))
            if index == 0:
                assert generator.step(codes) is None
            tokens = generator.step(codes)
            user.append(codes[0, :, 0].numpy().copy())
            text.append(int(tokens[0, 0, 0]))
            moshi.append(tokens[0, 1:, 0].numpy().copy())
            sound.append(mimi.decode(tokens[:, 1:])[0, 0].numpy().copy())
    return ReferenceReply(np.stack(user), np.array(text), np.stack(moshi), np.stack(sound))
