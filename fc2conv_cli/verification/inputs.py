"""Inputs to compare two models on: sizes for the dynamic dims, and values that the model can take."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from fc2conv_cli.sizes import PLACEHOLDERS
from fc2conv_cli.verification.runner import Port

Array = npt.NDArray[np.generic]
Sizes = dict[str, int]
"""A size for each dynamic dim, by its name."""

SMALL, LARGE = 1, 3
"""The sizes that every dynamic dim takes: 1 is what broadcasts, 3 is the least that shows swapped axes."""
_LARGER_SIZES = (8, 16, 32, 64, 128, 224, 256, 512)
"""Tried one by one when the original refuses some of those (an image network cannot run on 3x3 pixels)."""
_MOST_ELEMENTS = 2**24
"""Larger sizes stay below this many elements in all inputs together (64 MB of float32)."""
_INTEGER_LIMITS = (10, 2, 1)
"""Integers are below the first of these that the original takes: 10, then 0 and 1 (a mask), then 0."""


def dynamic_dims(ports: Sequence[Port]) -> list[str]:
    """Names of the dynamic dims of the inputs; an unnamed one is called by its input and axis."""
    names: dict[str, None] = {}
    for port in ports:
        for i, dim in enumerate(port.shape or ()):
            if not isinstance(dim, int):
                names[_dim_name(port, i, dim)] = None
    return list(names)


def usual_cases(ports: Sequence[Port]) -> list[Sizes]:
    """Every dim at 1 and at 3; with two or more also mixed, so that dims that were mistaken for each other differ."""
    names = dynamic_dims(ports)
    if not names:
        return [{}]
    alike: list[Sizes] = [dict.fromkeys(names, size) for size in (SMALL, LARGE)]
    mixed: list[Sizes] = [{n: (SMALL, LARGE)[(i + k) % 2] for i, n in enumerate(names)} for k in (0, 1)]
    return alike if len(names) == 1 else [*alike, *mixed]


def larger_cases(ports: Sequence[Port]) -> Iterator[list[Sizes]]:
    """For a model that refuses some of the usual sizes: larger ones, alike and unlike, and with a first dim of 1."""
    names = dynamic_dims(ports)
    for size in _LARGER_SIZES:
        cases: list[Sizes] = [
            dict.fromkeys(names, size),
            {n: size * (1 + i % 2) for i, n in enumerate(names)},
            {n: SMALL if i == 0 else size for i, n in enumerate(names)},
        ]
        yield [case for case in cases[: 3 if len(names) > 1 else 1] if _elements(ports, case) <= _MOST_ELEMENTS]


def _elements(ports: Sequence[Port], sizes: Sizes) -> int:
    return sum(math.prod(_shape(port, sizes)) for port in ports)


def _shape(port: Port, sizes: Sizes) -> list[int]:
    dims = enumerate(port.shape or ())
    return [dim if isinstance(dim, int) else sizes[_dim_name(port, i, dim)] for i, dim in dims]


def integer_limits(ports: Sequence[Port]) -> tuple[int, ...]:
    """What integers are to stay below, first choice first."""
    integers = any(p.dtype is not None and np.dtype(p.dtype).kind in "iu" for p in ports)
    return _INTEGER_LIMITS if integers else _INTEGER_LIMITS[:1]


def sample(
    ports: Sequence[Port], sizes: Sizes, limit: int, tables: Mapping[str, int], seed: Sequence[int]
) -> dict[str, Array]:
    """One set of inputs.

    Args:
        ports: The model's inputs; each must be a tensor that numpy can hold, of known rank.
        sizes: A size for each dynamic dim.
        limit: Integers are drawn from 0 up to below this (8-bit ones from all that there are, at the first choice) ...
        tables: ... or below the length of the table that the input of that name looks up.
        seed: Seeds the generator; equal seeds give equal inputs.

    Returns:
        N(0, 1) for floats, small integers, fair coin flips for booleans, and for a single boolean true and false by
        turns (by the last number of the seed), by name.
    """
    rng = np.random.default_rng(list(seed))
    feeds: dict[str, Array] = {}
    for port in ports:
        shape, dtype = _shape(port, sizes), np.dtype(port.dtype)
        if "float" in dtype.name:
            feeds[port.name] = np.asarray(rng.standard_normal(shape, np.float32)).astype(dtype, copy=False)
        elif dtype.kind == "b" and math.prod(shape) == 1:
            feeds[port.name] = np.full(shape, seed[-1] % 2 == 0)  # a switch: both ways, not by chance
        elif dtype.kind == "b":
            feeds[port.name] = np.asarray(rng.integers(0, 2, shape)).astype(dtype)
        elif dtype.itemsize == 1 and limit == _INTEGER_LIMITS[0] and port.name not in tables:
            low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
            feeds[port.name] = rng.integers(low, high, shape, dtype, endpoint=True)  # quantised values, no indices
        else:
            length = tables.get(port.name, limit)
            high = length if limit == _INTEGER_LIMITS[0] else min(limit, length)
            feeds[port.name] = np.asarray(rng.integers(0, max(high, 1), shape)).astype(dtype)
    return feeds


_SPREADS = (1.0, 4.0, 0.25, 16.0)
"""Factors on the floats of one sample after the other: quantised values saturate at some and round to 0 at others."""


def spread_out(feeds: Mapping[str, Array], k: int) -> dict[str, Array]:
    """The inputs of sample `k`, floats made larger or smaller by turns."""
    factor = _SPREADS[k % len(_SPREADS)]
    return {
        name: np.asarray(array * np.asarray(factor, array.dtype)) if "float" in array.dtype.name else array
        for name, array in feeds.items()
    }


def replacements(ports: Sequence[Port], sizes: Sizes, seed: Sequence[int]) -> dict[str, Array]:
    """Values to override float initializers with: 0.5 to 1.5, so that variances stay positive."""
    rng = np.random.default_rng(list(seed))
    return {p.name: np.asarray(rng.uniform(0.5, 1.5, _shape(p, sizes))).astype(np.dtype(p.dtype)) for p in ports}


def _dim_name(port: Port, axis: int, dim: str | None) -> str:
    return f"{port.name}[{axis}]" if dim is None or dim in PLACEHOLDERS else dim
