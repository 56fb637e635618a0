"""Mel spectra see each sound in its band and its frame, and nothing before it sounds."""

import math

import pytest
import torch
from kaiwa_training.codec.decoder_training import RESOLUTIONS
from kaiwa_training.codec.encoder_training import MEL_BANDS
from kaiwa_training.sound.mel import FLOOR, LogMel, mel_filters
from torch import Tensor

RATE_HZ = 24_000
SHAPES = (*RESOLUTIONS, (960, 480, MEL_BANDS))
shapes = pytest.mark.parametrize(("window", "hop", "bands"), SHAPES)


def sine(hz: float, count: int = 9_600, amplitude: float = 1.0) -> Tensor:
    return amplitude * torch.sin(2 * math.pi * hz * torch.arange(count) / RATE_HZ)[None]


@shapes
def test_there_is_a_frame_for_each_hop(window: int, hop: int, bands: int) -> None:
    mel = LogMel(window=window, hop=hop, bands=bands)
    assert mel(torch.zeros(2, 20 * hop)).shape == (2, bands, 20)


@shapes
def test_a_full_sine_has_magnitude_one(window: int, hop: int, bands: int) -> None:
    mel = LogMel(window=window, hop=hop, bands=bands)
    place = window // 8
    magnitudes = mel.magnitudes(sine(place * RATE_HZ / window))[0, :, -1]
    assert int(magnitudes.argmax()) == place
    assert magnitudes[place].item() == pytest.approx(1, rel=1e-2)


@shapes
def test_no_band_is_deaf_and_no_sound_between_two_is_lost(
    window: int, hop: int, bands: int
) -> None:
    filters = mel_filters(window, bands)
    assert filters.shape == (bands, window // 2 + 1)
    assert float(filters.min()) >= 0 and float(filters.amax(dim=1).min()) > 0.1
    heard = filters.sum(dim=0)
    centres = (filters * torch.arange(window // 2 + 1)).sum(dim=1) / filters.sum(dim=1)
    inner = heard[math.ceil(centres[0]) : int(centres[-1])]
    torch.testing.assert_close(inner, torch.ones_like(inner))


def test_bands_lie_evenly_in_mel() -> None:
    filters = mel_filters(4_096, 20)
    hz = filters.argmax(dim=1) * RATE_HZ / 4_096
    mels = 2595 * torch.log10(1 + hz / 700)
    steps = mels[1:] - mels[:-1]
    expected = 2595 * math.log10(1 + RATE_HZ / 2 / 700) / 21
    torch.testing.assert_close(steps, torch.full_like(steps, expected), rtol=0.15, atol=0)
    assert mels[0].item() == pytest.approx(expected, rel=0.1)


def test_a_sound_is_in_its_band_and_ten_times_the_amplitude_is_one_more() -> None:
    mel = LogMel(window=960, hop=480, bands=64)
    loud, soft = (mel(sine(2_000, amplitude=amplitude))[0, :, -1] for amplitude in (1.0, 0.1))
    band = int(loud.argmax())
    peak_hz = int(mel_filters(960, 64)[band].argmax()) * RATE_HZ / 960
    assert abs(peak_hz - 2_000) < 120
    assert (loud - soft)[band].item() == pytest.approx(1, abs=0.02)


def test_silence_is_at_the_floor() -> None:
    silence = LogMel(window=960, hop=480, bands=64)(torch.zeros(1, 4_800))
    torch.testing.assert_close(
        silence, torch.full_like(silence, math.log10(FLOOR)), atol=1e-2, rtol=0
    )


@shapes
def test_a_frame_hears_nothing_later(window: int, hop: int, bands: int) -> None:
    mel = LogMel(window=window, hop=hop, bands=bands)
    at = 6 * hop
    sound = torch.zeros(1, 12 * hop)
    before = mel(sound)
    sound[:, at:] = torch.randn(1, 6 * hop, generator=torch.Generator().manual_seed(1))
    difference = (mel(sound) - before)[0].abs().amax(dim=0)
    assert float(difference[:6].max()) == 0
    assert float(difference[6:].min()) > 0


def test_silence_gives_finite_gradients() -> None:
    pcm = torch.zeros(1, 4_800, requires_grad=True)
    LogMel(window=512, hop=128, bands=64)(pcm).sum().backward()
    assert pcm.grad is not None and bool(pcm.grad.isfinite().all())
