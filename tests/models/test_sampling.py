"""Drawing a token from logits and one uniform."""

import pytest
import torch
from kaiwa_server.kernels.library import available
from kaiwa_server.models import sampling
from kaiwa_server.models.sampling import SamplingRows, sample
from torch import Tensor

LOGITS = torch.tensor([0.5, 3.0, -1.0, 2.0, 1.0])
LIKELIEST_FIRST = [1, 3, 4, 0, 2]
JUST_BELOW_1 = 1 - 2.0**-24


@pytest.fixture(params=["kernels", "torch"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Draws by the kernels, and as where there are none."""
    if request.param == "torch":
        monkeypatch.setattr(sampling, "available", lambda: False)
    elif not available():
        pytest.skip("no kernels for this processor")


def draw(logits: Tensor, temperature: float, top_k: int, uniform: float) -> int:
    token = sample(
        logits[None], torch.tensor([temperature]), torch.tensor([top_k]), torch.tensor([uniform])
    )
    return int(token)


@pytest.mark.parametrize("uniform", [0.0, 0.5, JUST_BELOW_1])
def test_temperature_0_and_top_1_take_the_likeliest(uniform: float) -> None:
    assert draw(LOGITS, 0.0, 5, uniform) == 1
    assert draw(LOGITS, 2.0, 1, uniform) == 1


def test_among_equals_the_lowest_number_is_the_likeliest() -> None:
    logits = torch.zeros(300)
    logits[[70, 12, 250]] = 4.0
    assert draw(logits, 0.0, 25, 0.9) == 12


@pytest.mark.parametrize("top_k", [1, 2, 3, 5, 2048])
def test_the_uniform_walks_down_the_top_k_from_the_likeliest(top_k: int) -> None:
    kept = LIKELIEST_FIRST[:top_k]
    shares = torch.softmax(LOGITS[kept].double() / 0.8, dim=0).cumsum(dim=0)
    begin = 0.0
    for token, end in zip(kept, shares.tolist(), strict=True):
        assert draw(LOGITS, 0.8, top_k, begin + 1e-5) == token
        assert draw(LOGITS, 0.8, top_k, end - 1e-5) == token
        begin = end


@pytest.mark.parametrize("uniform", [0.0, JUST_BELOW_1, 1.0])
@pytest.mark.parametrize("temperature", [1e-30, 1e-3, 5.0])
def test_at_the_ends_of_the_uniform_the_draw_stays_in_the_top_k(
    uniform: float, temperature: float
) -> None:
    assert draw(LOGITS, temperature, 3, uniform) in LIKELIEST_FIRST[:3]


def test_a_token_without_a_chance_is_not_drawn() -> None:
    logits = torch.tensor([0.0, -torch.inf, 0.0])
    drawn = {draw(logits, 1.0, 3, uniform) for uniform in (0.0, 0.3, 0.5, 0.7, JUST_BELOW_1)}
    assert drawn == {0, 2}


@pytest.mark.parametrize("logit", [0.0, torch.inf, -torch.inf, torch.nan])
def test_of_any_logits_one_of_the_tokens_is_drawn(logit: float) -> None:
    logits = torch.full((20,), logit)
    assert 0 <= draw(logits, 1.0, 5, 0.7) < 20
    logits[::3] = 1.0
    assert 0 <= draw(logits, 1.0, 5, 0.7) < 20


def test_each_row_has_its_own_settings_and_does_not_depend_on_its_neighbours() -> None:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(64, 100, generator=generator)
    temperature = torch.rand(64, generator=generator) * 5
    temperature[::7] = 0
    top_k = torch.randint(1, 200, (64,), generator=generator)
    uniform = torch.rand(64, generator=generator)
    together = sample(logits, temperature, top_k, uniform).tolist()
    alone = [
        draw(*row)
        for row in zip(logits, temperature.tolist(), top_k.tolist(), uniform.tolist(), strict=True)
    ]
    assert together == alone
    assert [together[row] for row in range(0, 64, 7)] == logits[::7].argmax(dim=-1).tolist()


def test_logits_of_half_precision_are_drawn_from_in_single() -> None:
    logits = torch.randn(4096, generator=torch.Generator().manual_seed(2)).bfloat16()
    for uniform in (0.1, 0.5, 0.9):
        assert draw(logits, 0.8, 250, uniform) == draw(logits.float(), 0.8, 250, uniform)


def test_rows_are_taken_by_number() -> None:
    settings = SamplingRows.greedy(3)
    settings.audio_top_k[2] = 9
    settings.text_temperature[0] = 0.5
    taken = settings.take(torch.tensor([2, 0]))
    assert taken.audio_top_k.tolist() == [9, 1]
    assert taken.text_temperature.tolist() == [0.0, 0.5]
