"""The classes and functions that a pickled module may be made of, and still be loaded without running code."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

_FUNCTIONS = (
    *("relu", "relu6", "gelu", "silu", "mish", "elu", "selu", "celu", "leaky_relu", "hardswish", "hardsigmoid"),
    *("softplus", "softsign", "softmax", "log_softmax", "tanh", "sigmoid", "logsigmoid", "hardtanh", "tanhshrink"),
)
"""Activations, which layers such as TransformerEncoderLayer keep as attributes. They compute, and do nothing else."""


def building_blocks() -> list[Callable[..., Any] | tuple[Callable[..., Any], str]]:
    """Every module class of ``torch.nn``, and the activations; each as ``torch.serialization.safe_globals`` takes it.

    None of them does more, when it is built from a pickle, than to take over its attributes.
    """
    found: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = []
    for name, module in list(sys.modules.items()):
        if name.startswith("torch.nn.modules."):
            found.extend(cls for _, cls in inspect.getmembers(module, _is_block) if cls.__module__ == name)
    for name in _FUNCTIONS:
        function = getattr(nn.functional, name)
        module_name = getattr(function, "__module__", None) or "torch._C._nn"
        found.append((function, f"{module_name}.{function.__name__}"))
    found.extend((getattr(torch, name), f"torch.{name}") for name in ("relu", "tanh", "sigmoid"))
    return found


def _is_block(candidate: object) -> bool:
    return inspect.isclass(candidate) and issubclass(candidate, nn.Module)
