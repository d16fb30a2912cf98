"""The --input lines that a user most likely needs, from the first layer of the model."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

_DATA = {1: "WIDTH", 2: "HEIGHTxWIDTH", 3: "DEPTHxHEIGHTxWIDTH"}
_WORDS = ("HEIGHT", "WIDTH", "DEPTH", "TOKENS", "SHAPE")


def proposal(module: nn.Module) -> str:
    """What to type, as far as it can be known: ``Give --input x:1x45``."""
    names = input_names(module) or ["x"]
    first = next(_shapes(module), "1xSHAPE")
    lines = [f"--input {name}:{first if i == 0 else '1xSHAPE'}" for i, name in enumerate(names)]
    missing = [word for word in _WORDS if any(word in line for line in lines)]
    numbers = f", with numbers for {', '.join(missing)}" if missing else ""
    return (
        f"Say what it takes, for example: {' '.join(lines)}{numbers}. A letter for the 1 (N) makes the batch dynamic."
    )


def input_names(module: nn.Module) -> list[str]:
    """Names of what `forward` must be given; none if it takes any number."""
    if isinstance(module, torch.jit.ScriptModule):
        forward: Any = module.forward
        return [argument.name for argument in forward.schema.arguments[1:] if not argument.has_default_value()]
    parameters = inspect.signature(module.forward).parameters.values()
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [p.name for p in parameters if p.kind in kinds and p.default is p.empty]


def _shapes(module: nn.Module) -> Iterator[str]:
    """For each layer that says what it reads: the shape of that; for a batch of one."""
    for part in module.modules():
        kind = getattr(part, "original_name", type(part).__name__)
        weight = getattr(part, "weight", None)
        if kind in ("LSTM", "GRU", "RNN"):
            yield f"1xTOKENSx{next(part.parameters()).shape[1]}"
        if not isinstance(weight, torch.Tensor):
            continue
        if kind == "Embedding":
            yield "1xTOKENS:int64"
        elif kind.startswith("Conv") and weight.dim() > 2:
            groups = getattr(part, "groups", 1)
            yield f"1x{weight.shape[1] * (groups if isinstance(groups, int) else 1)}x{_DATA[weight.dim() - 2]}"
        elif kind == "Linear" and weight.dim() == 2:
            yield f"1x{weight.shape[1]}"
    yield from (f"1x{p.shape[1]}" for p in module.parameters() if p.dim() == 2)
