from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch_files
from torch import nn

from fc2conv_cli.frontends.pytorch.building_blocks import building_blocks
from fc2conv_cli.frontends.pytorch.pickles import load_pickle

MODULES = {
    "cnn": lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Hardswish(), nn.Flatten(), nn.Linear(4, 2)),
    "transformer": lambda: nn.TransformerEncoder(
        nn.TransformerEncoderLayer(8, 2, 16, activation="gelu", batch_first=True), 1, enable_nested_tensor=False
    ),
    "attention": lambda: nn.MultiheadAttention(8, 2),
    "lstm": lambda: nn.LSTM(3, 4),
    "containers": lambda: nn.ModuleDict({"a": nn.ModuleList([nn.GELU(), nn.Embedding(3, 4)]), "b": nn.LayerNorm(3)}),
}


@pytest.mark.parametrize("name", MODULES)
def test_modules_of_torch_nn_load_safely_with_their_weights(tmp_path: Path, name: str) -> None:
    module = MODULES[name]()
    loaded = load_pickle(torch_files.pickled(tmp_path / "a.pt", module), unsafe=False)
    assert type(loaded) is type(module)
    assert str(loaded) == str(module)
    for ours, theirs in zip(loaded.parameters(), module.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_only_what_computes_is_allowed() -> None:
    for block in building_blocks():
        thing, name = block if isinstance(block, tuple) else (block, f"{block.__module__}.{block.__name__}")
        assert name.startswith(("torch.nn.", "torch._C._nn.", "torch.relu", "torch.tanh", "torch.sigmoid")), name
        assert callable(thing)
