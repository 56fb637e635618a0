"""SEANet (Tagliasacchi et al., 2020): between samples and a latent at 25 Hz, by convolutions."""

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor, nn

from kaiwa_server.models.conv import CausalConv1d, CausalConvTranspose1d, ConvState
from kaiwa_server.models.kernel_convolutions import KernelConvolutions
from kaiwa_server.models.packing import Layout, pack_children


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


class StreamingStack(nn.ModuleList):
    """Modules that stream one after the other."""

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        super().__init__(modules)
        self._kernels: KernelConvolutions | None = None
        # In the order in which they follow each other, each but the first after an ELU.
        kinds = (CausalConv1d, CausalConvTranspose1d)
        self._convolutions = [module for module in self.modules() if isinstance(module, kinds)]

    def forward(self, x: Tensor, state: ConvState, rows: Tensor) -> Tensor:
        """x [B, T, C] of the slots `rows` [B] through all of them."""
        if self._kernels is not None:
            tails = [state[convolution].tail for convolution in self._convolutions]
            return self._kernels(x, tails, rows)
        for module in self:
            x = module(x) if isinstance(module, nn.ELU) else module(x, state, rows)
        return x

    def pack(self, layout: Layout) -> None:
        """Goes over to packed products, and to the kernels if it can."""
        pack_children(self, layout)
        narrowing = {module.block[1] for module in self if isinstance(module, ResidualBlock)}
        places = enumerate(self._convolutions)
        self._kernels = KernelConvolutions.of(
            [convolution.parts() for convolution in self._convolutions],
            keeping=[place - 1 for place, convolution in places if convolution in narrowing],
        )


class ResidualBlock(nn.Module):
    """Adds what a narrow pair of convolutions finds."""

    def __init__(self, config: SeanetConfig, channels: int) -> None:
        super().__init__()
        narrow = channels // config.compress
        self.block = nn.ModuleList(
            [
                nn.ELU(),
                CausalConv1d(channels, narrow, config.residual_kernel_size),
                nn.ELU(),
                CausalConv1d(narrow, channels, 1),
            ]
        )

    def forward(self, x: Tensor, state: ConvState, rows: Tensor) -> Tensor:
        """x [B, T, C] -> [B, T, C]."""
        before, narrowing, between, widening = self.block
        narrow = narrowing(before(x), state, rows)
        out: Tensor = x + widening(between(narrow), state, rows)
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
                nn.ELU(),
                CausalConv1d(channels, 2 * channels, 2 * ratio, stride=ratio),
            ]
            channels *= 2
        stack += [nn.ELU(), CausalConv1d(channels, config.dimension, config.last_kernel_size)]
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
                nn.ELU(),
                CausalConvTranspose1d(channels, channels // 2, stride=ratio),
                ResidualBlock(config, channels // 2),
            ]
            channels //= 2
        stack += [nn.ELU(), CausalConv1d(channels, 1, config.last_kernel_size)]
        self.model = StreamingStack(stack)

    def forward(self, latent: Tensor, state: ConvState, rows: Tensor) -> Tensor:
        """latent [B, T, C] of the slots `rows` [B] -> pcm [B, T * hop, 1]."""
        pcm: Tensor = self.model(latent, state, rows)
        return pcm
