"""A GPU draws the random numbers that numpy draws."""

import torch
from kaiwa_server.models.cuda import philox
from kaiwa_server.models.uniforms import draw
from triton_tests import HERE


def test_they_are_equal_bit_for_bit() -> None:
    seeds = torch.tensor([0, 1, 12_345_678_901_234, 2**63 - 1])
    for step, count in ((0, 1), (7, 9), (3000, 17), (2**40, 33)):
        steps = torch.arange(len(seeds)) + step
        found = philox.uniforms(seeds.to(HERE), steps.to(HERE), count)
        assert torch.equal(found.cpu(), draw(seeds, steps, count))
