"""How much a model moves by itself: its outputs when every float input moves by one unit in the last place.

A deviation that is not much larger says nothing about the conversion: another processor, or another order of the same
sums, does as much.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fc2conv_cli.verification.fills import magnitudes
from fc2conv_cli.verification.metrics import Tolerance
from fc2conv_cli.verification.runner import Model, RunError

Array = npt.NDArray[np.generic]
Floats = npt.NDArray[np.float64]

_DRAWS = 2
"""Directions are drawn at random for each element, so many times; the largest movement counts."""


def moved(feeds: Mapping[str, Array], seed: int, steps: int = 1) -> dict[str, Array] | None:
    """The inputs with every float one step up or down, or so many; None if there are none."""
    rng = np.random.default_rng(seed)
    found: dict[str, Array] = {}
    for name, array in feeds.items():
        if "float" in array.dtype.name and array.size:
            up = rng.integers(0, 2, array.shape).astype(bool)
            for _ in range(steps):
                array = _moved(array, up)
            found[name] = array
    return {**feeds, **found} if found else None


def _moved(array: Array, up: npt.NDArray[np.bool_]) -> Array:
    limit = np.where(up, np.inf, -np.inf).astype(array.dtype)
    # numpy has no nextafter for bfloat16, which is the upper half of a float32.
    if array.dtype.name == "bfloat16":
        bits = np.ascontiguousarray(array).view(np.int16)
        away = up == (np.asarray(array, np.float32) > 0)
        return (
            np.where(np.asarray(array, np.float32) == 0, bits, bits + np.where(away, 1, -1))
            .astype(np.int16)
            .view(array.dtype)
        )
    return np.asarray(np.nextafter(array, limit))


Movements = Mapping[str, Floats] | None
"""How far each element of each output of floats moves, in its units; None if inputs cannot move."""


def movements(model: Model, feeds: Mapping[str, Array], outputs: Mapping[str, Any]) -> Movements:
    """The largest movement of each element of each output that is a tensor of floats.

    Args:
        model: The original.
        feeds: Its inputs.
        outputs: What it gives for them.

    Returns:
        By output; None if there is no float input or the model refuses the moved ones.
    """
    found: dict[str, Floats] = {}
    for seed in range(_DRAWS):
        other = moved(feeds, seed)
        if other is None:
            return None
        try:
            again = model.run(other)
        except RunError:
            return None
        for name, value in outputs.items():
            if isinstance(value, np.ndarray) and "float" in value.dtype.name and value.shape == again[name].shape:
                movement = _difference(value, again[name])
                found[name] = np.maximum(found[name], movement) if name in found else movement
    return found


def noise_floor(movement: Floats | None) -> float | None:
    """The largest movement of an output; None if it was not measured."""
    return None if movement is None else float(movement.max(initial=0.0))


def times_noise(reference: Array, converted: Array, movement: Floats | None, tolerance: Tolerance) -> float | None:
    """A deviation as a multiple of the noise; None if that was not measured.

    As a whole, and for each stretch of each axis where it is outside of tolerance: what moves in one channel excuses
    nothing in another. Outside of tolerance noise as large as the values themselves excuses nothing at all. Places
    where one of both is infinite do not count here.
    """
    if movement is None:
        return None
    delta = _difference(reference, converted)
    whole = _ratio(float(delta.max(initial=0.0)), float(movement.max(initial=0.0)))
    magnitude = magnitudes(reference, converted)
    outside = delta > tolerance.allowed(magnitude)
    if not outside.any():
        return whole
    if math.isinf(whole) or movement.max() >= magnitude.max():
        return math.inf
    least = 1 if tolerance.elementwise else _STRETCH
    for axis in range(delta.ndim):
        ours, theirs, beyond = (_stretches(a, axis, least) for a in (delta, movement, outside.astype(np.float64)))
        where = beyond.max > 0
        with np.errstate(divide="ignore", invalid="ignore"):
            whole = max(whole, float((ours.rms[where] / theirs.rms[where]).max(initial=0.0)))
    return whole


def _ratio(delta: float, noise: float) -> float:
    return delta / noise if noise else math.inf if delta else 0.0


_STRETCH = 16
"""Elements that a root mean square is taken over, at least: of fewer it says little. Where each element is held to its
own reference it is asked of single rows all the same."""


class _Stretches(NamedTuple):
    """Of runs of neighbouring indices of an axis: the largest element and the root mean square."""

    max: Floats
    rms: Floats


def _stretches(array: Floats, axis: int, least: int) -> _Stretches:
    rows = np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1)
    length = min(-(-least // rows.shape[1]), len(rows))
    starts = np.arange(0, len(rows) - length + 1, length)
    counts = np.diff([*starts, len(rows)]) * rows.shape[1]
    squares = np.add.reduceat((rows**2).sum(axis=1), starts)
    return _Stretches(np.maximum.reduceat(rows.max(axis=1), starts), np.sqrt(squares / counts))


def _difference(ours: Array, theirs: Array) -> Floats:
    """The absolute difference of each element; 0 where one is not finite."""
    with np.errstate(invalid="ignore", over="ignore"):
        delta = np.abs(np.asarray(ours, np.float64) - np.asarray(theirs, np.float64))
    return np.where(np.isfinite(delta), delta, 0.0)
