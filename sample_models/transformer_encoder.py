"""A two-layer transformer encoder on (batch, tokens, channels), both dynamic."""

from __future__ import annotations

import torch
from common import export, seed
from torch import nn


def network() -> nn.Module:
    """The untrained network."""
    layer = nn.TransformerEncoderLayer(64, 4, 128, batch_first=True, activation="gelu", norm_first=True)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)


if __name__ == "__main__":
    seed()
    torch.backends.mha.set_fastpath_enabled(False)  # the fused kernel has no ONNX counterpart
    export(network(), (torch.randn(2, 5, 64),), "transformer_encoder", {"x": {0: "N", 1: "S"}})
