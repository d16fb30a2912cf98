"""What the sample scripts share: weights on a coarse grid, and an export that gives the same bytes every time."""

from __future__ import annotations

import copy
import logging
import warnings
from pathlib import Path

import onnx_ir as ir
import torch
from onnx_ir.passes.common import ClearMetadataAndDocStringPass
from torch import nn

FOLDER = Path(__file__).parent
_GRID = 2.0**10
"""Weights are multiples of 1/1024, so that rounding in the last bits, which differs between processors, is gone."""


def seed(number: int = 0) -> None:
    """Make what follows repeatable."""
    torch.manual_seed(number)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)


@torch.no_grad()
def round_weights(module: nn.Module) -> nn.Module:
    """Put every parameter and buffer on the grid, in place."""
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.is_floating_point():
            tensor.copy_(torch.round(tensor * _GRID) / _GRID)
    return module


def export(
    module: nn.Module, args: tuple[torch.Tensor, ...], name: str, dynamic: dict[str, dict[int, str]] | None = None
) -> Path:
    """Export a module to ``<name>.onnx`` beside this file.

    Args:
        module: The network; its weights are rounded to the grid in a copy.
        args: Example inputs.
        name: Stem of the file.
        dynamic: By input name: the axes that are dynamic, and what they are called.

    Returns:
        The file.
    """
    logging.disable(logging.WARNING)
    warnings.filterwarnings("ignore")
    network = round_weights(copy.deepcopy(module)).eval()
    names = list(dynamic) if dynamic else ["x"]
    shapes = None
    if dynamic:
        symbols = {s: torch.export.Dim(s) for axes in dynamic.values() for s in axes.values()}
        shapes = tuple({axis: symbols[s] for axis, s in axes.items()} for axes in dynamic.values())
    program = torch.onnx.export(
        network,
        args,
        dynamo=True,
        opset_version=18,
        input_names=names,
        output_names=["y"],
        dynamic_shapes=shapes,
        verbose=False,
    )
    model = program.model
    ClearMetadataAndDocStringPass()(model)  # the exporter notes the paths of this machine
    model.graph.name = name
    model.producer_version = None
    path = FOLDER / f"{name}.onnx"
    ir.save(model, path)
    return path
