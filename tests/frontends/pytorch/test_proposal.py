from __future__ import annotations

import pytest
import torch
from torch import nn

from fc2conv_cli.frontends.pytorch.proposal import input_names, proposal


class Net(nn.Module):
    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor, mask: torch.Tensor, scale: float = 1.0) -> torch.Tensor:
        return self.layers(x) * mask * scale


@pytest.mark.parametrize(
    ("module", "line"),
    [
        (nn.Sequential(nn.ReLU(), nn.Linear(45, 512)), "--input input:1x45."),
        (nn.Conv2d(3, 8, 3), "--input input:1x3xHEIGHTxWIDTH, with numbers for HEIGHT, WIDTH."),
        (nn.Conv2d(4, 8, 3, groups=2), "--input input:1x4xHEIGHTxWIDTH"),
        (nn.Conv1d(5, 8, 3), "--input input:1x5xWIDTH, with numbers for WIDTH."),
        (nn.Conv3d(1, 8, 3), "--input input:1x1xDEPTHxHEIGHTxWIDTH"),
        (nn.Embedding(9, 8), "--input input:1xTOKENS:int64, with numbers for TOKENS."),
        (nn.LSTM(7, 8), "--input input:1xTOKENSx7"),
        (nn.ReLU(), "--input input:1xSHAPE, with numbers for SHAPE."),
        (Net(nn.Linear(6, 2)), "--input x:1x6 --input mask:1xSHAPE, with numbers for SHAPE."),
    ],
)
def test_the_line_comes_from_the_first_layer(module: nn.Module, line: str) -> None:
    assert line in proposal(module)


@pytest.mark.parametrize("module", [nn.Sequential(nn.Linear(45, 9)), Net(nn.Linear(45, 9))])
def test_it_is_the_same_for_torchscript(module: nn.Module) -> None:
    scripted = torch.jit.script(module)
    assert proposal(scripted) == proposal(module)
    assert input_names(scripted) == input_names(module)


def test_a_frozen_module_has_no_layers_left_to_read() -> None:
    frozen = torch.jit.freeze(torch.jit.script(nn.Sequential(nn.Linear(45, 9)).eval()))
    assert "--input input:1xSHAPE, with numbers for SHAPE" in proposal(frozen)
