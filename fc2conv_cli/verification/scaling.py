"""Inputs made larger or smaller: what saturates at one size does not at another."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.generic]

_SPREADS = (1.0, 4.0, 0.25, 16.0)
"""Factors on the floats of one sample after the other: quantised values saturate at some and round to 0 at others."""


def spread_out(feeds: Mapping[str, Array], k: int, besides: Collection[str] = ()) -> dict[str, Array]:
    """The inputs of sample `k`, floats made larger or smaller by turns, `besides` those of these names."""
    return scaled(feeds, _SPREADS[k % len(_SPREADS)], besides)


def scaled(feeds: Mapping[str, Array], factor: float, besides: Collection[str] = ()) -> dict[str, Array]:
    """The inputs with floats times a factor, `besides` those of these names."""
    return {
        name: np.asarray(array * np.asarray(factor, array.dtype))
        if "float" in array.dtype.name and name not in besides
        else array
        for name, array in feeds.items()
    }
