"""An exported codec is read by the services and by others, and tells the same tokens."""

from pathlib import Path

import numpy as np
import pytest
import torch
from kaiwa_server.models.checkpoint import Checkpoint, load_mimi
from kaiwa_server.models.mimi import Mimi
from kaiwa_training.codec.encoding import encode
from kaiwa_training.codec.export import export_codec
from kaiwa_training.codec.quantization import register
from kaiwa_training.codec.shape import DEMO_MIMI
from kaiwa_training.lm.export import export_lm
from kaiwa_training.lm.network import TrainableLm
from kaiwa_training.lm.shape import demo_lm
from kaiwa_training.lm.tokenizer import train_tokenizer
from safetensors.torch import load_file
from torch import Tensor

FRAMES = 6


def in_halves() -> Mimi:
    """A codec whose weights and entries fp16 can tell, its entries used more or less."""
    torch.manual_seed(1)
    mimi = Mimi(DEMO_MIMI).requires_grad_(False).eval()
    weights = {name: weight.half().float() for name, weight in mimi.state_dict().items()}
    for name in [name for name in weights if name.endswith("cluster_usage")]:
        entries = name.replace("cluster_usage", "embedding_sum")
        weights[name] = 2.0 ** torch.randint(-9, 9, weights[name].shape)
        halves = (0.05 * torch.randn(weights[entries].shape)).half().float()
        weights[entries] = halves * weights[name][:, None]
    mimi.load_state_dict(weights)
    register(mimi.quantizer)
    return mimi


def exported(folder: Path, mimi: Mimi) -> Checkpoint:
    """A folder with the codec, and an LM that says what its files are called."""
    tokenizer = train_tokenizer(["Hello, I am Moshi."])
    export_lm(TrainableLm(demo_lm(tokenizer.size)), tokenizer, folder)
    export_codec(mimi, folder)
    return Checkpoint.open(folder)


def sound() -> Tensor:
    return 0.3 * torch.randn(1, 1, FRAMES * 1920, generator=torch.Generator().manual_seed(2))


@pytest.fixture(scope="module")
def mimi() -> Mimi:
    return in_halves()


@pytest.fixture(scope="module")
def checkpoint(mimi: Mimi, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return exported(tmp_path_factory.mktemp("model"), mimi)


def test_the_services_know_its_shape(mimi: Mimi, checkpoint: Checkpoint) -> None:
    assert checkpoint.mimi_config == mimi.config


def test_the_served_codec_tells_the_tokens_of_the_trained_one(
    mimi: Mimi, checkpoint: Checkpoint
) -> None:
    pcm = sound()[0, 0].numpy()
    (expected,), (found,) = encode(mimi, [pcm]), encode(load_mimi(checkpoint), [pcm])
    assert all(len(set(row)) > 1 for row in expected.tolist())
    np.testing.assert_array_equal(found, expected)


def test_the_served_codec_speaks_as_the_trained_one(mimi: Mimi, checkpoint: Checkpoint) -> None:
    served, rows = load_mimi(checkpoint), torch.tensor([0])
    codes = torch.randint(512, (1, 8, FRAMES), generator=torch.Generator().manual_seed(3))
    expected, found = (m.decode(m.new_decoder_state(1), rows, codes) for m in (mimi, served))
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_an_entry_that_is_hardly_used_keeps_its_place(tmp_path: Path) -> None:
    mimi = in_halves()
    (codebook,) = mimi.quantizer.rvq_first.codebooks
    codebook.cluster_usage.fill_(1e-4)
    codebook.embedding_sum.fill_(3e-8)
    export_codec(mimi, tmp_path)
    weights = load_file(tmp_path / "mimi.safetensors")
    stored = weights["quantizer.rvq_first.vq.layers.0._codebook.embedding_sum"]
    torch.testing.assert_close(stored, torch.full_like(stored, 3e-4))


def test_weights_are_stored_in_two_bytes_and_the_trained_ones_stay(tmp_path: Path) -> None:
    mimi = in_halves()
    before = {name: weight.clone() for name, weight in mimi.state_dict().items()}
    export_codec(mimi, tmp_path)
    stored = load_file(tmp_path / "mimi.safetensors")
    assert {weight.dtype for weight in stored.values()} == {torch.float16}
    torch.testing.assert_close(dict(mimi.state_dict()), before, rtol=0, atol=0)


def test_the_reference_package_tells_the_same_tokens_and_sound(checkpoint: Checkpoint) -> None:
    pytest.importorskip("moshi", reason="the reference package is not installed")
    from parity.mimi_reference import compare_codes, stream_reference
    from parity.reference import checkpoint as reference_checkpoint

    reference = reference_checkpoint(checkpoint.model_dir).get_mimi(device="cpu")
    codes, heard = stream_reference(reference, sound())
    served, rows = load_mimi(checkpoint), torch.tensor([0])
    latents = served.encode_latent(served.new_encoder_state(1), rows, sound())
    told = served.quantizer.encode(latents, 8)[0]
    found = compare_codes(served, latents[0], told, codes)
    assert found.differing == found.excused
    made = served.decode(served.new_decoder_state(1), rows, codes[None])[0, 0]
    torch.testing.assert_close(made, heard, atol=1e-4, rtol=0)
