"""The head of VGG in miniature: a 7x7x512 map (narrowed from 32 channels), flattened into three layers."""

from __future__ import annotations

import torch
from common import export, seed
from torch import nn


def network() -> nn.Module:
    """The untrained network."""
    features = nn.Sequential(nn.Conv2d(32, 512, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(7))
    head = nn.Sequential(
        *(nn.Linear(512 * 7 * 7, 24), nn.ReLU(), nn.Dropout()),
        *(nn.Linear(24, 24), nn.ReLU(), nn.Dropout()),
        nn.Linear(24, 10),
    )
    return nn.Sequential(features, nn.Flatten(), head)


if __name__ == "__main__":
    seed()
    export(network(), (torch.randn(2, 32, 14, 14),), "vgg_head", {"x": {0: "N"}})
