"""The scale of a quantised weight, along the four axes of the convolution's weight."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fc2conv_cli.dequantization import spread
from fc2conv_cli.sizes import product
from fc2conv_cli.views import Axis

Array = npt.NDArray[np.generic]


@dataclass(frozen=True)
class ScaleForm:
    """What a DequantizeLinear of the 4-D weight needs.

    Attributes:
        source: Axes of the scale as it is.
        target: Axes of the scale that the DequantizeLinear takes: none, one, or four with one blocked.
        axis: Its attribute `axis`; None for one scale for all.
        block_size: Its attribute `block_size`; 0 without blocks.
    """

    source: tuple[Axis, ...]
    target: tuple[Axis, ...]
    axis: int | None = None
    block_size: int = 0

    def apply(self, array: Array) -> Array:
        """The scale or the zero point, rearranged, and repeated where several channels share one."""
        return array.reshape(()) if self.axis is None else spread(array, self.source, self.target)


def scale_form(scale: tuple[Axis, ...], weight: tuple[Axis, ...]) -> ScaleForm | None:
    """How a scale lies along a weight; None if no DequantizeLinear can say it.

    Args:
        scale: Axes of the scale.
        weight: Axes of the 4-D weight, in factors of which some are the scale's.
    """
    labels = {f.label for a in scale for f in a}
    touched = [i for i, a in enumerate(weight) if any(f.label in labels for f in a)]
    if not touched:
        return ScaleForm(scale, ())
    if len(touched) == 1:
        return ScaleForm(scale, (weight[touched[0]],), touched[0])
    blocked = [i for i, a in enumerate(weight) if any(f.label not in labels for f in a)]
    if len(blocked) > 1:
        return None
    at = blocked[0] if blocked else touched[0]
    outer = tuple(f for f in weight[at] if f.label in labels)
    if weight[at][: len(outer)] != outer:
        return None  # a block is a run of neighbours
    block = product(f.size for f in weight[at][len(outer) :]).static or 1
    return ScaleForm(scale, tuple(outer if i == at else a for i, a in enumerate(weight)), at, block)
