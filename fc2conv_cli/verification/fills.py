"""Fill values: what masked places hold (-3.4e38, the lowest float), and by what no other value is to be measured.

A tolerance of a share of the largest value would let anything pass beside one. Where both models have the same fill
value at a place, that is equal exactly, and needs no tolerance; all else is held to the largest of the rest.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.generic]

_HUGE = 1e30
"""Nothing that a network computes is as large."""
_LARGEST_HALF = float(np.finfo(np.float16).max)
_MOST_VALUES = 2
"""More values than these were computed, after all."""


def fills(array: Array) -> npt.NDArray[np.bool_]:
    """Where an array of floats has a fill value: one that is huge or the largest of its type, or two such."""
    if "float" not in array.dtype.name:
        return np.zeros(array.shape, bool)
    wide, least = np.asarray(array, np.float64), _LARGEST_HALF if array.dtype == np.float16 else _HUGE
    found = np.isfinite(wide) & (np.abs(wide) >= least)
    few = not found.any() or np.unique(wide[found]).size <= _MOST_VALUES
    return found if few else np.zeros(array.shape, bool)


def magnitudes(reference: Array, converted: Array) -> npt.NDArray[np.float64]:
    """What a tolerance goes by: of each element of the reference, 0 where it is not finite, or a fill value in both."""
    wide = np.asarray(reference, np.float64)
    passed_over = ~np.isfinite(wide) | (fills(reference) & np.asarray(reference == converted))
    return np.abs(np.where(passed_over, 0.0, wide))
