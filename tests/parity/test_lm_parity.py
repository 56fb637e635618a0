"""Our Moshi LM against Kyutai's, in fp32: logits within 1e-4, every greedy token equal."""

import re
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from kaiwa_server.audio import FRAME_SAMPLES
from kaiwa_server.models.checkpoint import Checkpoint, load_lm
from kaiwa_server.models.lm import MoshiLm
from kaiwa_server.models.lm_config import LmConfig
from kaiwa_server.models.packing import pack_for_cpu
from kaiwa_server.models.weights import fingerprint, load
from models.needs import needs_kernels
from moshi.models import LMModel, loaders
from parity.lm_reference import (
    LOGITS_TOLERANCE,
    SMALL,
    Parity,
    Session,
    Trace,
    compare,
    random_user_tokens,
    reference_lm,
    trace_ours,
    trace_reference,
)
from safetensors.torch import save_file
from torch import Tensor

Record = Callable[[str, object], None]

STEPS = 300
SLOTS = 4

# Who else is there while the long session holds slot 2: (slot, joins, frames). Some take a slot
# that another has left, and at both ends the long session is alone.
STAGGERED = ((0, 7, 70), (3, 20, 60), (1, 21, 12), (1, 40, 30), (3, 160, 60))


@pytest.fixture(scope="module")
def reference() -> LMModel:
    return reference_lm(SMALL, seed=1)


@pytest.fixture(scope="module")
def newer(reference: LMModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reference's weights as it saves them."""
    path = tmp_path_factory.mktemp("newer") / "model.safetensors"
    save_file(reference.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def older(reference: LMModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same under the names of the released files, those of all codebooks stacked."""
    path = tmp_path_factory.mktemp("older") / "model.safetensors"
    save_file(with_older_names(reference.state_dict()), path)
    return path


@pytest.fixture(scope="module", params=["torch", pytest.param("kernels", marks=needs_kernels)])
def lm(request: pytest.FixtureRequest, newer: Path) -> MoshiLm:
    lm = load_small(newer)
    if request.param == "kernels":
        pack_for_cpu(lm, "fp32")
    return lm


def load_small(path: Path) -> MoshiLm:
    config = LmConfig.from_json(SMALL)
    return load(lambda: MoshiLm(config), path, device="cpu", dtype=torch.float32)


def with_older_names(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    stacked: dict[str, list[Tensor]] = {}
    for name, weight in weights.items():
        older = re.sub(r"in_projs\.\d\.weight", "in_proj_weight", name)
        older = re.sub(r"out_projs\.\d\.weight", "out_proj.weight", older)
        stacked.setdefault(older, []).append(weight)
    return {name: torch.cat(parts) for name, parts in stacked.items()}


@pytest.fixture(scope="module")
def long_session(reference: LMModel) -> tuple[Tensor, Trace]:
    """A user who outlives the context of 50 six times, and what the reference makes of it."""
    heard = random_user_tokens(SMALL, STEPS - 1, seed=2)
    return heard, trace_reference(reference, heard)


def test_a_session_alone_equals_the_reference(
    lm: MoshiLm, long_session: tuple[Tensor, Trace], record_property: Record
) -> None:
    heard, expected = long_session
    (ours,) = trace_ours(lm, [Session(0, 0, heard)], slots=1)
    found = compare(ours, expected)
    found.record("LM, random weights, alone", record_property)
    expect_parity(found, STEPS)


def test_sessions_that_join_and_leave_a_batch_equal_the_reference_alone(
    reference: LMModel,
    lm: MoshiLm,
    long_session: tuple[Tensor, Trace],
    record_property: Record,
) -> None:
    long_heard, long_expected = long_session
    sessions = [Session(2, 0, long_heard)]
    expected = [long_expected]
    for slot, joins, frames in STAGGERED:
        sessions.append(Session(slot, joins, random_user_tokens(SMALL, frames, seed=joins)))
        expected.append(trace_reference(reference, sessions[-1].user_tokens))
    found = Parity()
    for ours, theirs in zip(trace_ours(lm, sessions, SLOTS), expected, strict=True):
        found += compare(ours, theirs)
    found.record("LM, random weights, in a batch of 4", record_property)
    expect_parity(found, sum(session.steps for session in sessions))


def test_older_and_newer_names_are_the_same_weights(newer: Path, older: Path) -> None:
    loaded, expected = load_small(older).state_dict(), load_small(newer).state_dict()
    assert all(torch.equal(weight, loaded[name]) for name, weight in expected.items())
    assert fingerprint(older) == fingerprint(newer)


def test_older_names_give_what_the_reference_makes_of_them(
    older: Path, record_property: Record
) -> None:
    heard = random_user_tokens(SMALL, 40, seed=3)
    reference = loaders.get_moshi_lm(older, SMALL, dtype=torch.float32)
    (ours,) = trace_ours(load_small(older), [Session(0, 0, heard)], slots=1)
    found = compare(ours, trace_reference(reference, heard))
    found.record("LM, older names", record_property)
    expect_parity(found, 41)


def test_the_embedded_model_equals_the_reference_in_a_whole_conversation(
    record_property: Record,
) -> None:
    model_dir = Path(str(resources.files("kaiwa_server") / "tiny-moshi"))
    checkpoint = Checkpoint.open(model_dir)
    info = loaders.CheckpointInfo.from_hf_repo(
        "local",
        moshi_weights=checkpoint.lm_path,
        mimi_weights=checkpoint.mimi_path,
        tokenizer=checkpoint.tokenizer_path,
        config_path=model_dir / "config.json",
        mimi_config_path=model_dir / "mimi_config.json",
    )
    with torch.inference_mode():
        heard = info.get_mimi().encode(conversation())[0].T.clone()  # [T, K]
    (ours,) = trace_ours(load_lm(checkpoint), [Session(0, 0, heard)], slots=1)
    found = compare(ours, trace_reference(info.get_moshi(dtype=torch.float32), heard))
    found.record("LM, embedded, real speech", record_property)
    assert len(heard) > 1.5 * checkpoint.lm_config.temporal.context
    assert found.distinct_text > 20
    expect_parity(found, 1 + len(heard))


def conversation() -> Tensor:
    """The bundled questions, each with silence before and after it: [1, 1, 1920 * T]."""
    sound = [np.zeros(45 * FRAME_SAMPLES, np.float32)]
    for path in sorted((Path(str(resources.files("kaiwa"))) / "questions").glob("*.wav")):
        sound += [soundfile.read(path, dtype="float32")[0], np.zeros(80 * FRAME_SAMPLES, "f4")]
    joined = np.concatenate(sound)
    return torch.from_numpy(np.pad(joined, (0, -len(joined) % FRAME_SAMPLES)))[None, None]


def test_moshi_7b_has_the_reference_s_names_and_shapes() -> None:
    reference = loaders.get_moshi_lm(None, device="meta", dtype=torch.bfloat16)
    with torch.device("meta"):
        ours = MoshiLm(LmConfig())
    shapes = {name: weight.shape for name, weight in ours.state_dict().items()}
    assert shapes == {name: weight.shape for name, weight in reference.state_dict().items()}
    assert round(sum(shape.numel() for shape in shapes.values()) / 1e9, 3) == 7.688


def test_the_reference_s_own_config_of_moshi_7b_is_our_default() -> None:
    assert LmConfig.from_json(loaders._lm_kwargs) == LmConfig()


def expect_parity(found: Parity, steps: int) -> None:
    """All steps were compared, unless a near tie fell otherwise; the logits are close."""
    assert found.steps == steps or found.near_ties
    assert found.text_error <= LOGITS_TOLERANCE
    assert found.audio_error <= LOGITS_TOLERANCE
