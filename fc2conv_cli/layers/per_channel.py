"""Terms that are constant along positions: what a bias is, and what can be folded."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fc2conv_cli.contraction import Contraction
from fc2conv_cli.sizes import product

Array = npt.NDArray[np.generic]


def per_channel(array: Array, contraction: Contraction) -> Array | None:
    """A term that broadcasts to a layer's output, as one number an out channel.

    Args:
        array: The term; its axes align with the last axes of the output.
        contraction: The layer.

    Returns:
        The numbers, of shape (product of `contraction.outs`,); None when the term varies along positions, or would make
        the output larger than the layer's own.
    """
    axes = contraction.y
    if array.ndim > len(axes):
        return None
    array = array.reshape((1,) * (len(axes) - array.ndim) + array.shape)
    places = {f.label for a in contraction.positions for f in a}
    full: list[int] = []
    for i, factors in enumerate(axes):
        size = product(f.size for f in factors).static
        if array.shape[i] != 1 and array.shape[i] != size:
            return None
        if factors and not places.isdisjoint(f.label for f in factors):
            first = array.take([0], axis=i)
            if array.shape[i] != 1 and not np.array_equal(array, np.broadcast_to(first, array.shape)):
                return None
            array = first
            size = 1
        full.append(size or 1)
    return np.array(np.broadcast_to(array, full)).reshape(-1)
