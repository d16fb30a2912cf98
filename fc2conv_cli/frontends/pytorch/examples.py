"""Makes example inputs of what the user says of them, of a size that the model takes."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fc2conv_cli.errors import ExportError, UsageError
from fc2conv_cli.frontends.input_specs import InputSpec
from fc2conv_cli.frontends.pytorch.contained import contained
from fc2conv_cli.frontends.pytorch.faults import what_failed
from fc2conv_cli.frontends.pytorch.network import Network
from fc2conv_cli.frontends.pytorch.proposal import input_names, proposal

_SIZES = (8, 16, 32, 64, 128, 224, 256, 512)
"""Tried for all dynamic dims when the model does not run on the smallest: images must not vanish in pooling."""

_LARGEST = 2**29


def with_examples(path: Path, network: Network, specs: Sequence[InputSpec]) -> Network:
    """A network with example inputs that it was run on once.

    Args:
        path: Its file, for messages.
        network: The network, without inputs.
        specs: What the user says of them.

    Raises:
        UsageError: Nothing was said; the error proposes what to type.
        ExportError: The model does not take such inputs.
    """
    if not specs:
        hint = proposal(network.module)
        raise UsageError(f"{path}: the file does not say what the model is fed", hint=hint)
    named = _are_names(network.module, specs)
    error: Exception | None = None
    for sizes in _choices(specs):
        _refuse_large(specs, sizes)
        try:
            tensors = {spec.name: _example(spec, sizes) for spec in specs}
            args, kwargs = ((), tensors) if named else (tuple(tensors.values()), {})
            with torch.no_grad(), contained():
                network.module(*args, **kwargs)
        except Exception as raised:  # the model may raise anything
            error = error or raised
            continue
        return _described(network, specs, args, kwargs)
    assert error is not None
    shapes = ", ".join(f"{spec.name}:{'x'.join(map(str, spec.shape))}:{spec.made_of}" for spec in specs)
    hint = f"{proposal(network.module)}"
    problem = f"the model does not run on the inputs {shapes}: {what_failed(error)}"
    raise ExportError(path, problem, hint=hint) from error


def run_once(path: Path, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Run a module on the inputs that came with it. Lazy layers take their shapes from that.

    Raises:
        ExportError: It does not take them.
    """
    try:
        with torch.no_grad(), contained():
            module(*args, **kwargs)
    except Exception as error:  # the model may raise anything
        problem = f"the model does not run on its example inputs: {what_failed(error)}"
        raise ExportError(path, problem, hint="Give inputs that it takes.") from error


def _are_names(module: nn.Module, specs: Sequence[InputSpec]) -> bool:
    """Whether the names are those of the model's parameters; else they are given by position."""
    if isinstance(module, torch.jit.ScriptModule):
        return False  # the exporter takes them by position only
    known = inspect.signature(module.forward).parameters
    required = input_names(module)
    return all(spec.name in known for spec in specs) and all(n in [s.name for s in specs] for n in required)


def _choices(specs: Sequence[InputSpec]) -> Iterator[dict[str, int]]:
    """Sizes for the dynamic dims: unlike and small, then alike and larger, the first dim (a batch) staying small."""
    names = list(dict.fromkeys(dim for spec in specs for dim in spec.shape if isinstance(dim, str)))
    yield {name: 2 + i for i, name in enumerate(names)}
    for size in _SIZES if len(names) > 0 else ():
        yield {name: 2 if i == 0 and len(names) > 1 else size for i, name in enumerate(names)}


def _refuse_large(specs: Sequence[InputSpec], sizes: dict[str, int]) -> None:
    """An input that no machine can hold is a slip of the user's."""
    for spec in specs:
        count = math.prod(dim if isinstance(dim, int) else sizes[dim] for dim in spec.shape)
        if count > _LARGEST:
            problem = f"--input {spec.name}: {count} values are more than fc2conv makes up for one input ({_LARGEST})"
            raise UsageError(problem, hint="Give smaller sizes, or letters for the dims that may have any size.")


def _example(spec: InputSpec, sizes: dict[str, int]) -> torch.Tensor:
    shape = [dim if isinstance(dim, int) else sizes[dim] for dim in spec.shape]
    dtype = getattr(torch, spec.made_of)
    if dtype.is_floating_point:
        return torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(dtype)
    return torch.ones(shape, dtype=dtype) if dtype is torch.bool else torch.zeros(shape, dtype=dtype)


def _described(network: Network, specs: Sequence[InputSpec], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Network:
    dims = tuple({i: dim for i, dim in enumerate(spec.shape) if isinstance(dim, str)} for spec in specs)
    dynamic = None
    if any(dims):
        symbols = {name: torch.export.Dim(name) for axes in dims for name in axes.values()}
        shapes = [{i: symbols[name] for i, name in axes.items()} for axes in dims]
        dynamic = dict(zip(kwargs, shapes, strict=True)) if kwargs else tuple(shapes)
    names = tuple(spec.name for spec in specs)
    return replace(network, args=args, kwargs=kwargs, input_names=names, dims=dims, dynamic_shapes=dynamic)
