"""A squeeze-and-excitation block spelled with Linear layers, as in its paper (Hu et al., arXiv:1709.01507)."""

from __future__ import annotations

import torch
from common import export, seed
from torch import nn


class SqueezeExcitation(nn.Module):
    """Weighs channels by what a small network makes of their means."""

    def __init__(self, channels: int = 32, reduction: int = 4) -> None:
        """Set up the two layers."""
        super().__init__()
        self.conv = nn.Conv2d(8, channels, 3, padding=1)
        self.squeeze = nn.Linear(channels, channels // reduction)
        self.excite = nn.Linear(channels // reduction, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 8, H, W) to (N, channels, H, W)."""
        x = torch.relu(self.conv(x))
        weights = torch.relu(self.squeeze(x.mean((2, 3))))
        weights = torch.sigmoid(self.excite(weights))
        return x * weights[:, :, None, None]


if __name__ == "__main__":
    seed()
    export(SqueezeExcitation(), (torch.randn(2, 8, 14, 14),), "squeeze_excitation", {"x": {0: "N"}})
