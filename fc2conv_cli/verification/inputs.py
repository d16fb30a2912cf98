"""Inputs to compare two models on: sizes for the dynamic dims, and values that the model can take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from fc2conv_cli.sizes import PLACEHOLDERS
from fc2conv_cli.verification.runner import Port

Array = npt.NDArray[np.generic]
Sizes = dict[str, int]
"""A size for each dynamic dim, by its name."""

SMALL, LARGE = 1, 3
"""The sizes that every dynamic dim takes: 1 is what broadcasts, 3 is the least that shows swapped axes."""
_FALLBACK_SIZES = (8, 16, 32, 64, 128, 224, 256, 512)
"""Tried one by one when the original takes neither (an image network cannot run on 3x3 pixels)."""
_INTEGER_LIMITS = (10, 2, 1)
"""Integers are below the first of these that the original takes: 10, then 0 and 1 (a mask), then 0."""

_INDEX_OPERAND = {"Gather": 1, "GatherElements": 1}
_KEEP_VALUES = frozenset(
    {"Cast", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity", "Transpose", "Slice", "Concat"}
)


@dataclass(frozen=True)
class Attempt:
    """One way to choose inputs; the next is tried when the original takes none of them.

    Attributes:
        cases: Sizes of the dynamic dims, one run of all samples for each.
        limit: Integers are below this.
    """

    cases: tuple[Sizes, ...]
    limit: int


def dynamic_dims(ports: Sequence[Port]) -> list[str]:
    """Names of the dynamic dims of the inputs; an unnamed one is called by its input and axis."""
    names: dict[str, None] = {}
    for port in ports:
        for i, dim in enumerate(port.shape or ()):
            if not isinstance(dim, int):
                names[_dim_name(port, i, dim)] = None
    return list(names)


def attempts(ports: Sequence[Port]) -> list[Attempt]:
    """The ways to choose inputs, best first."""
    names = dynamic_dims(ports)
    integers = any(p.dtype is not None and np.dtype(p.dtype).kind in "iu" for p in ports)
    limits = _INTEGER_LIMITS if integers else _INTEGER_LIMITS[:1]
    usual = _usual_cases(names)
    rare = [(dict.fromkeys(names, size),) for size in _FALLBACK_SIZES] if names else []
    return [Attempt(cases, limit) for cases in (usual, *rare) for limit in limits]


def _usual_cases(names: Sequence[str]) -> tuple[Sizes, ...]:
    """Every dim at 1 and at 3; with two or more also mixed, so that dims that were mistaken for each other differ."""
    if not names:
        return ({},)
    alike = [dict.fromkeys(names, size) for size in (SMALL, LARGE)]
    if len(names) == 1:
        return tuple(alike)
    mixed = [{n: (SMALL, LARGE)[(i + k) % 2] for i, n in enumerate(names)} for k in (0, 1)]
    return (*alike, *mixed)


def sample(
    ports: Sequence[Port], sizes: Sizes, limit: int, tables: Mapping[str, int], seed: Sequence[int]
) -> dict[str, Array]:
    """One set of inputs.

    Args:
        ports: The model's inputs; each must be a tensor that numpy can hold, of known rank.
        sizes: A size for each dynamic dim.
        limit: Integers are drawn from 0 up to below this ...
        tables: ... or below the length of the table that the input of that name looks up.
        seed: Seeds the generator; equal seeds give equal inputs.

    Returns:
        N(0, 1) for floats, small integers, and fair coin flips for booleans, by name.
    """
    rng = np.random.default_rng(list(seed))
    feeds: dict[str, Array] = {}
    for port in ports:
        dims = enumerate(port.shape or ())
        shape = [dim if isinstance(dim, int) else sizes[_dim_name(port, i, dim)] for i, dim in dims]
        dtype = np.dtype(port.dtype)
        if dtype.kind == "f":
            feeds[port.name] = np.asarray(rng.standard_normal(shape)).astype(dtype)
        elif dtype.kind == "b":
            feeds[port.name] = np.asarray(rng.integers(0, 2, shape)).astype(dtype)
        else:
            high = min(limit, tables.get(port.name, limit))
            feeds[port.name] = np.asarray(rng.integers(0, max(high, 1), shape)).astype(dtype)
    return feeds


def table_lengths(path: Path) -> dict[str, int]:
    """For each integer input that is an index: the length of the shortest table that it looks up.

    Follows the input through nodes that keep its values, to Gather, GatherElements and OneHot.
    """
    from fc2conv_cli.frontends.onnx_file import load
    from fc2conv_cli.shapes import infer

    model = load(path)
    shapes = infer(model)
    lengths: dict[str, int] = {}
    for value in model.graph.inputs:
        found = [n for use in _uses_through(value) if (n := _table_length(*use, shapes.shape)) is not None]
        if found and value.name:
            lengths[value.name] = min(found)
    return lengths


def _uses_through(value: ir.Value) -> list[tuple[ir.Node, int]]:
    found: list[tuple[ir.Node, int]] = []
    stack, seen = [value], {value}
    while stack:
        for node, index in stack.pop().uses():
            found.append((node, index))
            fresh = [v for v in node.outputs if v not in seen]
            if (node.domain == "" and node.op_type in _KEEP_VALUES and index == 0) or node.op_type == "Concat":
                seen.update(fresh)
                stack.extend(fresh)
    return found


def _table_length(node: ir.Node, index: int, shape_of: object) -> int | None:
    assert callable(shape_of)
    if _INDEX_OPERAND.get(node.op_type) == index and node.domain == "" and node.inputs[0] is not None:
        shape = shape_of(node.inputs[0])
        axis = node.attributes.get_int("axis", 0)
        if shape is not None and -len(shape) <= axis < len(shape):
            static = shape[axis].static
            return static if isinstance(static, int) else None
    if node.op_type == "OneHot" and index == 0 and node.inputs[1] is not None:
        depth = ir.convenience.get_const_tensor(node.inputs[1])
        return None if depth is None else int(depth.numpy().reshape(-1)[0])
    return None


def _dim_name(port: Port, axis: int, dim: str | None) -> str:
    return f"{port.name}[{axis}]" if dim is None or dim in PLACEHOLDERS else dim
