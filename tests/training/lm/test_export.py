from pathlib import Path

import torch
from kaiwa_server.models.checkpoint import Checkpoint, load_lm
from kaiwa_server.models.lm import MoshiLm
from kaiwa_training.lm.export import TEXT_SHARPNESS, export_lm
from kaiwa_training.lm.network import TrainableLm
from kaiwa_training.lm.shape import demo_lm
from kaiwa_training.lm.tokenizer import WordTokenizer, train_tokenizer
from moshi.models import loaders
from parity.lm_reference import Session, compare, trace_ours, trace_reference

TOKENIZER = train_tokenizer(["Hello, I am Moshi.", "Ask me something."])


def exported(folder: Path) -> TrainableLm:
    torch.manual_seed(1)
    lm = TrainableLm(demo_lm(TOKENIZER.size))
    export_lm(lm, TOKENIZER, folder)
    return lm


def test_the_services_load_what_is_written(tmp_path: Path) -> None:
    lm, checkpoint = exported(tmp_path), Checkpoint.open(tmp_path)
    assert checkpoint.lm_config == lm.config
    assert WordTokenizer.load(checkpoint.tokenizer_path).size == lm.config.text_vocabulary_size
    loaded: MoshiLm = load_lm(checkpoint)
    for name, weight in lm.state_dict().items():
        if name != "text_linear.weight":
            torch.testing.assert_close(loaded.state_dict()[name], weight.half().float())


def test_the_text_is_drawn_more_decidedly_than_it_was_trained(tmp_path: Path) -> None:
    trained = exported(tmp_path).text_linear.weight
    loaded = load_lm(Checkpoint.open(tmp_path)).text_linear.weight
    torch.testing.assert_close(loaded, TEXT_SHARPNESS * trained.half().float())


def test_the_reference_package_loads_it_and_agrees(tmp_path: Path) -> None:
    exported(tmp_path)
    info = loaders.CheckpointInfo.from_hf_repo(
        "none",
        moshi_weights=tmp_path / "model.safetensors",
        mimi_weights=tmp_path / "model.safetensors",
        tokenizer=tmp_path / "tokenizer.model",
        config_path=tmp_path / "config.json",
        mimi_config_path=tmp_path / "config.json",
    )
    reference = info.get_moshi(device="cpu", dtype=torch.float32).requires_grad_(False)
    ours = load_lm(Checkpoint.open(tmp_path))
    user = torch.randint(0, ours.config.codebook_size, (6, ours.config.codebooks))
    (trace,) = trace_ours(ours, [Session(slot=0, joins=0, user_tokens=user)], slots=1)
    found = compare(trace, trace_reference(reference, user))
    assert found.steps == 7
    assert max(found.text_error, found.audio_error) < 1e-4
