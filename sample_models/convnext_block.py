"""A ConvNeXt block (Liu et al., arXiv:2201.03545): its two Linear layers work on channels-last pixels."""

from __future__ import annotations

import torch
from common import export, seed
from torch import nn


class Block(nn.Module):
    """Depthwise convolution, LayerNorm, Linear, GELU, Linear, scale, residual."""

    def __init__(self, channels: int = 32) -> None:
        """Set up the layers."""
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.expand = nn.Linear(channels, 4 * channels)
        self.reduce = nn.Linear(4 * channels, channels)
        self.gamma = nn.Parameter(torch.full((channels,), 0.5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to the same."""
        y = self.depthwise(x).permute(0, 2, 3, 1)
        y = self.reduce(nn.functional.gelu(self.expand(self.norm(y))))
        return x + (self.gamma * y).permute(0, 3, 1, 2)


if __name__ == "__main__":
    seed()
    export(Block(), (torch.randn(2, 32, 14, 14),), "convnext_block", {"x": {0: "N"}})
