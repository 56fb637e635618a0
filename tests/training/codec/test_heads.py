"""The heads read tokens alone, and learn only from what is known."""

import math

import pytest
import torch
from kaiwa_training.codec.heads import IGNORED, Labels, PhoneticHeads, cross_entropy
from torch import Tensor

DIMENSION, PHONES, WORDS, MEANINGS = 4, 5, 7, 3
SHAPE = (2, 6)


@pytest.fixture
def heads() -> PhoneticHeads:
    torch.manual_seed(1)
    return PhoneticHeads(dimension=DIMENSION, phones=PHONES, words=WORDS, meanings=MEANINGS)


def entries(seed: int) -> Tensor:
    return torch.randn(*SHAPE, DIMENSION, generator=torch.Generator().manual_seed(seed))


def labels(phones: int = IGNORED, words: int = IGNORED, meaning: int = IGNORED) -> Labels:
    return Labels(
        torch.full((*SHAPE, 2), phones), torch.full(SHAPE, words), torch.full(SHAPE, meaning)
    )


def losses(
    heads: PhoneticHeads, known: Labels, semantic: Tensor, acoustic: Tensor
) -> dict[str, Tensor]:
    return heads.losses(semantic, acoustic, known)[0]


def test_the_loss_is_the_mean_over_what_is_known() -> None:
    logits = torch.tensor([[[2.0, 0.0], [0.0, 1.0], [5.0, 5.0]]])
    known = torch.tensor([[0, 0, IGNORED]])
    expected = (math.log1p(math.exp(-2)) + math.log1p(math.exp(1))) / 2
    assert cross_entropy(logits, known).item() == pytest.approx(expected)


def test_where_nothing_is_known_there_is_no_loss(heads: PhoneticHeads) -> None:
    found = losses(heads, labels(), entries(1), entries(2))
    assert {name: loss.item() for name, loss in found.items()} == dict.fromkeys(found, 0.0)


def test_a_frame_tells_its_two_phones_in_order(heads: PhoneticHeads) -> None:
    with torch.no_grad():
        heads.phone.weight.zero_()
        heads.phone.bias.zero_()[[1, PHONES + 3]] = 9.0
    told = labels()
    told.phones[..., 0], told.phones[..., 1] = 1, 3
    swapped = labels()
    swapped.phones[..., 0], swapped.phones[..., 1] = 3, 1
    assert heads.phone_accuracy(entries(1), told).item() == 1
    assert heads.phone_accuracy(entries(1), swapped).item() == 0
    assert losses(heads, told, entries(1), entries(2))["phone"].item() < 0.01
    assert losses(heads, swapped, entries(1), entries(2))["phone"].item() > 5


def test_phones_that_are_not_known_count_neither_as_right_nor_as_wrong(
    heads: PhoneticHeads,
) -> None:
    with torch.no_grad():
        heads.phone.weight.zero_()
        heads.phone.bias.zero_()[[1, PHONES + 3]] = 9.0
    known = labels()
    known.phones[0, 0] = torch.tensor([1, 4])
    assert heads.phone_accuracy(entries(1), known).item() == 0.5


def test_phones_are_told_from_the_semantic_codebook_alone(heads: PhoneticHeads) -> None:
    acoustic = entries(2).requires_grad_()
    found = losses(heads, labels(phones=1), entries(1), acoustic)
    assert not torch.autograd.grad(found["phone"], acoustic, allow_unused=True)[0]
    (pull,) = torch.autograd.grad(found["phone_of_both"], acoustic)
    assert bool(pull.abs().sum() > 0)


def test_frames_without_a_word_count_a_fifth(heads: PhoneticHeads) -> None:
    with torch.no_grad():
        heads.word.weight.zero_()
        heads.word.bias.copy_(torch.arange(float(WORDS)))
    nothing, third = (-heads.word.bias.log_softmax(dim=0)[word].item() for word in (0, 3))
    known = labels(words=0)
    known.words[0, 2] = known.words[1, 4] = 3
    found = losses(heads, known, entries(1), entries(2))["word"].item()
    assert found == pytest.approx(third + 0.2 * nothing, rel=1e-5)


def test_meaning_is_told_from_the_frames_so_far(heads: PhoneticHeads) -> None:
    semantic, acoustic = entries(1), entries(2)
    other = semantic.clone()
    other[:, 4:] += 1.0
    found = [heads.losses(heard, acoustic, labels())[1] for heard in (semantic, other)]
    assert found[0].shape == (*SHAPE, MEANINGS)
    torch.testing.assert_close(found[0][:, :4], found[1][:, :4])
    assert not torch.allclose(found[0][:, 4], found[1][:, 4])
    assert not torch.allclose(found[0][:, 5], found[1][:, 5])


def test_by_chance_every_other_row_lacks_the_acoustic_codebook(heads: PhoneticHeads) -> None:
    torch.manual_seed(1)
    semantic = entries(1)[:1].expand(400, -1, -1)
    acoustic = entries(2)[:1].expand(400, -1, -1)
    known = Labels(
        torch.full((400, 6, 2), IGNORED),
        torch.full((400, 6), IGNORED),
        torch.full((400, 6), IGNORED),
    )
    _, meaning = heads.losses(semantic, acoustic, known)
    assert len(meaning[:, -1].detach().round(decimals=4).unique(dim=0)) == 1
    _, meaning = heads.losses(semantic, acoustic, known, torch.Generator().manual_seed(1))
    opinions, counts = meaning[:, -1].detach().round(decimals=4).unique(dim=0, return_counts=True)
    assert len(opinions) == 2
    assert min(counts.tolist()) > 160
