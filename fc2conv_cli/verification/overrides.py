"""Initializers that a caller may override: a converted model that goes by their defaults alone is another one."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from fc2conv_cli.verification.runner import Port

Array = npt.NDArray[np.generic]
Ends = tuple[float, float]
"""The least and the greatest element of a default."""

_FIRST_IR_VERSION = 4
"""Before it every initializer is listed among the inputs, and none can be overridden."""
_LIKE_ONE = (0.5, 1.5)
"""Where a default does not tell what its values are like: variances stay positive."""
_MOST_ALONE = 16
"""Where the original refuses all of them at once, up to so many are tried one by one."""


def default_ranges(model: ir.Model) -> dict[str, Ends]:
    """By name, of the floats that a caller may override."""
    listed = model.graph.inputs if model.ir_version >= _FIRST_IR_VERSION else ()
    found: dict[str, Ends] = {}
    for value in listed:
        tensor = value.const_value
        if value.name and tensor is not None and tensor.dtype.is_floating_point() and tensor.size:
            array = tensor.numpy()
            found[value.name] = float(array.min()), float(array.max())
    return found


def can_vary(port: Port) -> bool:
    """Whether other values can be made up: integers may be axes, shapes or indices, of which few are right."""
    return "float" in (port.dtype or "") and port.shape is not None and all(isinstance(d, int) for d in port.shape)


def overrides(ports: Iterable[Port], ranges: Mapping[str, Ends], seed: Sequence[int]) -> list[dict[str, Array]]:
    """Other values for those that can vary, between the ends of their defaults: all at once, then each alone."""
    rng = np.random.default_rng(list(seed))
    drawn = {port.name: _drawn(port, ranges.get(port.name, _LIKE_ONE), rng) for port in ports if can_vary(port)}
    alone = [{name: array} for name, array in drawn.items()] if 1 < len(drawn) <= _MOST_ALONE else []
    return [drawn, *alone] if drawn else []


def _drawn(port: Port, ends: Ends, rng: np.random.Generator) -> Array:
    low, high = ends
    if low == high and low:
        low, high = sorted((low * _LIKE_ONE[0], low * _LIKE_ONE[1]))
    elif low == high or not math.isfinite(high - low):
        low, high = _LIKE_ONE
    shape = [dim for dim in port.shape or () if isinstance(dim, int)]
    return np.asarray(rng.uniform(low, high, shape)).astype(np.dtype(port.dtype))


def overridden(counts: Mapping[str, int], runs: int) -> tuple[str, ...]:
    """A sentence for those that took other values than their defaults in as many runs.

    Args:
        counts: In how many runs, by name.
        runs: How many there were.
    """
    names: dict[int, list[str]] = {}
    for name, count in counts.items():
        names.setdefault(count, []).append(name)
    return tuple(
        f"{', '.join(map(repr, listed))} {_WERE[len(listed) > 1]} in {count} of the {runs} runs"
        for count, listed in names.items()
    )


_WERE = ("was given other values than its default", "were given other values than their defaults")


def unvaried(ports: Iterable[Port], theirs: Collection[str], varied: Collection[str]) -> tuple[str, ...]:
    """A sentence for each that both models have, and that was only compared at its default.

    Args:
        ports: Those of the original.
        theirs: Names of those of the converted model.
        varied: Names of those that took other values.
    """
    return tuple(
        f"input {port.name!r} has a default and was not varied: whether another value has the same effect was not seen"
        for port in ports
        if port.name in theirs and port.name not in varied
    )
