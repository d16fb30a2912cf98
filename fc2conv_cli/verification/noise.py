"""How much a model moves by itself: its outputs when every float input moves by one unit in the last place.

A deviation that is not much larger says nothing about the conversion: another processor, or another order of the same
sums, does as much.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from fc2conv_cli.verification.runner import Model, RunError

Array = npt.NDArray[np.generic]

_DRAWS = 2
"""Directions are drawn at random for each element, so many times; the largest movement counts."""


def moved(feeds: Mapping[str, Array], seed: int) -> dict[str, Array] | None:
    """The inputs with every float one step up or down; None if there are none."""
    rng = np.random.default_rng(seed)
    found = {name: _moved(array, rng) for name, array in feeds.items() if "float" in array.dtype.name and array.size}
    return {**feeds, **found} if found else None


def _moved(array: Array, rng: np.random.Generator) -> Array:
    up = rng.integers(0, 2, array.shape).astype(bool)
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


def noise_floor(model: Model, feeds: Mapping[str, Array], outputs: Mapping[str, Any]) -> dict[str, float]:
    """The largest movement of each output that is a tensor of floats.

    Args:
        model: The original.
        feeds: Its inputs.
        outputs: What it gives for them.

    Returns:
        By output, in its units; empty if there is no float input or the model refuses the moved ones.
    """
    found: dict[str, float] = {}
    for seed in range(_DRAWS):
        other = moved(feeds, seed)
        if other is None:
            return {}
        try:
            again = model.run(other)
        except RunError:
            return {}
        for name, value in outputs.items():
            if isinstance(value, np.ndarray) and "float" in value.dtype.name and value.shape == again[name].shape:
                found[name] = max(found.get(name, 0.0), _largest_difference(value, again[name]))
    return found


def _largest_difference(ours: Array, theirs: Array) -> float:
    with np.errstate(invalid="ignore", over="ignore"):
        delta = np.abs(np.asarray(ours, np.float64) - np.asarray(theirs, np.float64))
    delta = delta[np.isfinite(delta)]
    return float(delta.max()) if delta.size else 0.0
