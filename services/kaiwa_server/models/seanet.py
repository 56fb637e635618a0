"""SEANet (Tagliasacchi et al., 2020): between samples and a latent at 25 Hz, by convolutions."""

from dataclasses import dataclass

from torch import Tensor, nn

from kaiwa_server.models.conv import CausalConv1d, CausalConvTranspose1d, ConvState
from kaiwa_server.models.packing import Layout
from kaiwa_server.models.products import exponential_linear


@dataclass(frozen=True)
class SeanetConfig:
    """The shape of the encoder and, mirrored, of the decoder.

    `ratios` are the strides from the latent up to the samples. A kernel that resamples by a
    ratio is twice as long as it.
    """

    dimension: int = 512
    n_filters: int = 64
    compress: int = 2
    kernel_size: int = 7
    residual_kernel_size: int = 3
    last_kernel_size: int = 3
    ratios: tuple[int, ...] = (8, 6, 5, 4)


class Elu(nn.ELU):
    """The activation; on a CPU it may be a kernel's."""

    def __init__(self) -> None:
        super().__init__()
        self._packed = False

    def forward(self, x: Tensor) -> Tensor:
        """Of any shape."""
        return exponential_linear(x) if self._packed else super().forward(x)

    def pack(self, layout: Layout) -> None:
        """Goes over to the kernel."""
        self._packed = True


class StreamingStack(nn.ModuleList):
    """Modules that stream one after the other; an activation is done by the one before it."""

    def forward(self, x: Tensor, state: ConvState, rows: Tensor) -> Tensor:
        """x [B, T, C] of the slots `rows` [B] through all of them."""
        modules = list(self)
        for module, after in zip(modules, [*modules[1:], None], strict=True):
            if isinstance(after, Elu):
                x = module(x, state, rows, elu=True)
            elif not isinstance(module, Elu):
                x = module(x, state, rows)
        return x


class ResidualBlock(nn.Module):
    """Adds what a narrow pair of convolutions finds."""

    def __init__(self, config: SeanetConfig, channels: int) -> None:
        super().__init__()
        narrow = channels // config.compress
        self.block = nn.ModuleList(
            [
                Elu(),
                CausalConv1d(channels, narrow, config.residual_kernel_size),
                Elu(),
                CausalConv1d(narrow, channels, 1),
            ]
        )

    def forward(self, x: Tensor, state: ConvState, rows: Tensor, *, elu: bool = False) -> Tensor:
        """x [B, T, C] -> [B, T, C], through ELU in the end if asked for."""
        before, narrowing, _, widening = self.block
        narrow = narrowing(before(x), state, rows, elu=True)
        out: Tensor = widening(narrow, state, rows, plus=x, elu=elu)
        return out


class SeanetEncoder(nn.Module):
    """Samples to latent: each stage looks around itself, then strides and doubles its channels."""

    def __init__(self, config: SeanetConfig) -> None:
        super().__init__()
        channels = config.n_filters
        stack: list[nn.Module] = [CausalConv1d(1, channels, config.kernel_size)]
        for ratio in reversed(config.ratios):
            stack += [
                ResidualBlock(config, channels),
                Elu(),
                CausalConv1d(channels, 2 * channels, 2 * ratio, stride=ratio),
            ]
            channels *= 2
        stack += [Elu(), CausalConv1d(channels, config.dimension, config.last_kernel_size)]
        self.model = StreamingStack(stack)

    def forward(self, pcm: Tensor, state: ConvState, rows: Tensor) -> Tensor:
        """pcm [B, T * hop, 1] of the slots `rows` [B] -> latent [B, T, C]."""
        latent: Tensor = self.model(pcm, state, rows)
        return latent


class SeanetDecoder(nn.Module):
    """Latent to samples: each stage strides and halves its channels, then looks around itself."""

    def __init__(self, config: SeanetConfig) -> None:
        super().__init__()
        channels = config.n_filters * 2 ** len(config.ratios)
        stack: list[nn.Module] = [CausalConv1d(config.dimension, channels, config.kernel_size)]
        for ratio in config.ratios:
            stack += [
                Elu(),
                CausalConvTranspose1d(channels, channels // 2, stride=ratio),
                ResidualBlock(config, channels // 2),
            ]
            channels //= 2
        stack += [Elu(), CausalConv1d(channels, 1, config.last_kernel_size)]
        self.model = StreamingStack(stack)

    def forward(self, latent: Tensor, state: ConvState, rows: Tensor) -> Tensor:
        """latent [B, T, C] of the slots `rows` [B] -> pcm [B, T * hop, 1]."""
        pcm: Tensor = self.model(latent, state, rows)
        return pcm
