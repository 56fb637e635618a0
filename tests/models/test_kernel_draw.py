"""The kernels' draws, beside torch's."""

import pytest
import torch
from kaiwa_server.models import sampling
from kaiwa_server.models.sampling import sample
from models.needs import needs_kernels


@needs_kernels
@pytest.mark.parametrize("size", [1, 25, 512, 4000])
@pytest.mark.parametrize("spread", [0.0, 0.3, 3.0, 60.0])
def test_the_kernels_draw_what_torch_draws(
    size: int, spread: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, generator = 300, torch.Generator().manual_seed(size)
    logits = torch.randn(rows, size, generator=generator) * spread
    logits[::3] = logits[::3].round()  # so that there are equals
    logits[::5, size // 2 :] = -torch.inf
    temperature = torch.rand(rows, generator=generator) * 2
    temperature[::7] = 0
    top_k = torch.randint(1, size + 20, (rows,), generator=generator)
    uniforms = torch.rand(rows, 3, generator=generator)
    drawn = []
    for way in (True, False):
        monkeypatch.setattr(sampling, "available", lambda way=way: way)
        drawn.append(sample(logits, temperature, top_k, uniforms[:, 1]))
    assert torch.equal(*drawn)
