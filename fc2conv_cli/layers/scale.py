"""Gemm's alpha and beta: folded into a constant where that can take it, a Mul of its own where not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from fc2conv_cli.layers.context import Context
from fc2conv_cli.records import FullyConnected

Array = npt.NDArray[np.generic]

_NORMAL = {
    ir.DataType.FLOAT: (2.0**-126, float(np.finfo(np.float32).max)),
    ir.DataType.FLOAT16: (2.0**-14, 65504.0),
    ir.DataType.BFLOAT16: (2.0**-126, 3.3895313892515355e38),
    ir.DataType.DOUBLE: (2.0**-1022, float(np.finfo(np.float64).max)),
}
"""Least normal and largest finite magnitude (IEEE 754; bfloat16 is float32 with 16 bits of mantissa less)."""


def scaled(array: Array, factor: float) -> Array:
    """The product in float32 (float64 for an array of those), rounded once to the array's own type."""
    with np.errstate(all="ignore"):
        if array.dtype == np.float64:
            return array.astype(np.float64) * factor
        return (array.astype(np.float32) * np.float32(factor)).astype(array.dtype)


def settle_alpha(layer: FullyConnected, context: Context) -> FullyConnected:
    """Decide where alpha goes: into the weight if that loses nothing but rounding, else into a Mul of its own."""
    if layer.alpha == 1:
        return layer
    if layer.weight.dequantization is not None or layer.integer is not None:
        return replace(layer, folds_alpha=False)  # integers take no factor
    if layer.alpha == 0:
        return layer
    return replace(layer, folds_alpha=survives(context.constants.array(layer.weight), layer.alpha))


def fits(factor: float, dtype: ir.DataType) -> bool:
    """Whether a type holds a factor with its full precision."""
    least, most = _NORMAL[dtype]
    if dtype == ir.DataType.FLOAT16:
        return least <= abs(factor) <= most
    return dtype != ir.DataType.BFLOAT16


def survives(array: Array, factor: float | npt.NDArray[np.float64]) -> bool:
    """Whether the scaled array neither overflows nor underflows anywhere.

    Args:
        array: The array.
        factor: One factor, or an array of factors that broadcasts against it.
    """
    least, _ = _NORMAL[ir.DataType.from_numpy(array.dtype)]
    if isinstance(factor, np.ndarray):
        with np.errstate(all="ignore"):
            product: Array = (array.astype(np.float64) * factor).astype(array.dtype)
        finite = np.isfinite(array) & (factor != 0)
    else:
        product, finite = scaled(array, factor), np.isfinite(array)
    lost = (np.abs(product) < least) & (np.abs(array) >= least) & finite
    return bool(np.isfinite(product[finite]).all() and not lost.any())
