"""A multilayer perceptron: 64 features, two hidden layers, dynamic batch."""

from __future__ import annotations

import torch
from common import export, seed
from torch import nn


def network() -> nn.Module:
    """The untrained network."""
    return nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 96), nn.GELU(), nn.Linear(96, 10))


if __name__ == "__main__":
    seed()
    export(network(), (torch.randn(2, 64),), "mlp", {"x": {0: "N"}})
