"""How near a variant's tokens and sound are to the exact one's, on two kinds of weights.

Random weights are the harder case: nothing taught them to keep their tokens apart. The embedded
model hears what it was trained for, the bundled questions.
"""

from importlib import resources
from pathlib import Path

import numpy as np
import soundfile
import torch
from bench.lm_programs import users
from bench.mimi_programs import sound_of
from bench.random_models import LM_CONFIGS
from bench.results import Agreement
from bench.variants import EXACT, Variant
from kaiwa_server.audio import FRAME_SAMPLES
from kaiwa_server.models.checkpoint import Checkpoint
from kaiwa_server.models.lm import MoshiLm
from kaiwa_server.models.lm_config import LmConfig
from kaiwa_server.models.mimi import Mimi
from kaiwa_server.models.mimi_config import MimiConfig
from kaiwa_server.models.sampling import SamplingRows
from torch import Tensor

ROW = torch.tensor([0])
RANDOM, EMBEDDED = "random", "embedded"


def judge_mimi(variant: Variant, path: Path, frames: int) -> list[Agreement]:
    """The variant on the random weights of `path` and on the embedded model's."""
    embedded = _embedded()
    cases = (
        (RANDOM, MimiConfig(), path, sound_of(1, frames)),
        (EMBEDDED, embedded.mimi_config, embedded.mimi_path, questions()[:frames]),
    )
    return [
        compare_mimi(
            weights,
            variant,
            EXACT.load_mimi(config, file),
            variant.load_mimi(config, file),
            sound,
        )
        for weights, config, file, sound in cases
    ]


@torch.inference_mode()
def compare_mimi(
    weights: str, variant: Variant, exact: Mimi, other: Mimi, sound: Tensor
) -> Agreement:
    """Encodes the sound [T, 1, 1, 1920] with both, and decodes the exact one's tokens with both."""
    codes = _encoded(exact, sound)  # [T, 1, K, 1]
    equal = _encoded(other, sound) == codes
    decoded = _decoded(exact, codes)
    error = _decoded(other, codes).float() - decoded
    # Silence decoded exactly has neither power nor error.
    power, error_power = decoded.square().mean() + 1e-20, error.square().mean() + 1e-20
    error_db = float(10 * torch.log10(error_power / power))
    return Agreement(
        "mimi", weights, variant.name, codes.numel(), float(equal.float().mean()), error_db
    )


def judge_lm(variant: Variant, size: str, path: Path, frames: int) -> list[Agreement]:
    """The variant on the random weights of `path` and, beside the smallest, on the embedded LM."""
    config = LmConfig.from_json(LM_CONFIGS[size])
    heard = users(LM_CONFIGS[size], 1, frames)
    model = f"lm {size}"
    judged = [_judged_lm(model, RANDOM, variant, config, path, heard)]
    if size == next(iter(LM_CONFIGS)):
        embedded = _embedded()
        exact_mimi = EXACT.load_mimi(embedded.mimi_config, embedded.mimi_path)
        codes = _encoded(exact_mimi, questions()[:frames])[..., 0]  # [T, 1, K]
        judged.append(
            _judged_lm("lm", EMBEDDED, variant, embedded.lm_config, embedded.lm_path, codes)
        )
    return judged


def _judged_lm(
    model: str, weights: str, variant: Variant, config: LmConfig, path: Path, heard: Tensor
) -> Agreement:
    exact, other = EXACT.load_lm(config, path), variant.load_lm(config, path)
    tokens, equal = compare_lm(exact, other, heard)
    return Agreement(model, weights, variant.name, tokens, equal / tokens)


@torch.inference_mode()
def compare_lm(exact: MoshiLm, other: MoshiLm, heard: Tensor) -> tuple[int, int]:
    """Steps both greedily on what is heard [T, 1, K]: how many tokens, and how many are equal.

    After each step the other is told what the exact one wrote, so that one step's difference is
    counted once.
    """
    greedy, unused = SamplingRows.greedy(1), torch.zeros(1, 1 + heard.shape[2])
    states = exact.new_state(1), other.new_state(1)
    equal = 0
    for tokens in heard:
        step = states[1].step[ROW]
        written = [
            torch.cat((text[:, None], audio), dim=1)
            for text, audio in (
                lm.step(state, ROW, tokens, greedy, unused)
                for lm, state in zip((exact, other), states, strict=True)
            )
        ]
        states[1].delay_line.write(ROW, step, written[0])
        equal += int((written[0] == written[1]).sum())
    return len(heard) * unused.numel(), equal


def questions() -> Tensor:
    """The bundled questions in a row, the last frame filled with silence: [T, 1, 1, 1920]."""
    files = sorted((Path(str(resources.files("kaiwa"))) / "questions").glob("*.wav"))
    sound = np.concatenate([soundfile.read(path, dtype="float32")[0] for path in files])
    filled = np.pad(sound, (0, -len(sound) % FRAME_SAMPLES))
    return torch.from_numpy(filled).reshape(-1, 1, 1, FRAME_SAMPLES)


def _embedded() -> Checkpoint:
    return Checkpoint.open(Path(str(resources.files("kaiwa_server"))) / "tiny-moshi")


@torch.inference_mode()
def _encoded(mimi: Mimi, sound: Tensor) -> Tensor:
    state = mimi.new_encoder_state(1)
    return torch.stack([mimi.encode(state, ROW, pcm) for pcm in sound])


def _decoded(mimi: Mimi, codes: Tensor) -> Tensor:
    state = mimi.new_decoder_state(1)
    return torch.stack([mimi.decode(state, ROW, frame) for frame in codes])
