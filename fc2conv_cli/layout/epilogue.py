"""What a layer does to the result of its convolution: standard nodes, on the axes that the file means."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from fc2conv_cli.layers.scale import fits
from fc2conv_cli.layout.builder import AttributeValue, Builder
from fc2conv_cli.records import Activation, Addend, FullyConnected, Rescale
from fc2conv_cli.sizes import Shape

Array = npt.NDArray[np.generic]

_FIRST_NUMPY_BROADCAST_OPSET = 7


class Epilogue:
    """Writes alpha, a bias that cannot be folded, terms, scales of integer sums, and activations."""

    def __init__(self, build: Builder, get: Callable[[ir.Value, str], ir.Value]) -> None:
        """Write through `build`; `get` gives a value as the file means it, for a node of that name."""
        self._build = build
        self._shapes = build.shapes
        self._get = get

    def rescaled(self, rescale: Rescale, value: ir.Value, scale: Sequence[ir.Value], name: str) -> ir.Value:
        """The int32 sums as floats."""
        if rescale.bias is not None:
            value = self._plus(value, self._get(rescale.bias, name), name)
        value = self._cast(value, ir.DataType.FLOAT, name)
        first, *others = [*scale, *(self._get(v, name) for v in rescale.scales)]
        for other in others:
            shapes = [self._shapes.shape(v) or () for v in (other, first)]
            first = self._product(first, other, max(shapes, key=len), f"{name}/scale")
        return self._product(value, first, self._shapes.shape(value) or (), f"{name}/rescale")

    def _product(self, left: ir.Value, right: ir.Value, shape: Shape, label: str) -> ir.Value:
        return self._build.node("Mul", [left, right], {}, shape, self._build.fresh(label), ir.DataType.FLOAT)

    def finished(self, layer: FullyConnected, value: ir.Value, name: str) -> ir.Value:
        """What the layer does to its result beyond a convolution."""
        if not layer.folds_alpha:
            value = self._scaled(value, layer.alpha, f"{name}/alpha")
            if layer.bias is not None:
                bias = self._build.array(f"{name}.bias", _broadcastable(layer.bias, layer))
                value = self._plus(value, bias, name)
        if layer.addend is not None:
            value = self._plus(value, self._term(layer.addend, name), name)
        return value if layer.activation is None else self._activated(value, layer.activation, name)

    def _term(self, addend: Addend, name: str) -> ir.Value:
        term = self._get(addend.value, name)
        return term if addend.scale == 1 else self._scaled(term, addend.scale, f"{name}/beta")

    def _scaled(self, value: ir.Value, factor: float, label: str) -> ir.Value:
        dtype = self._shapes.dtype(value)
        assert dtype is not None  # values of layers that are converted have one
        if fits(factor, dtype):
            return self._times(value, factor, label, dtype)
        wide = self._cast(value, ir.DataType.FLOAT, label)
        return self._cast(self._times(wide, factor, label, ir.DataType.FLOAT), dtype, label)

    def _times(self, value: ir.Value, factor: float, label: str, dtype: ir.DataType) -> ir.Value:
        operand = self._build.array(label, np.asarray(factor, np.float32).astype(dtype.numpy()))
        shape = self._shapes.shape(value) or ()
        return self._build.node("Mul", [value, operand], self._broadcast(), shape, self._build.fresh(label), dtype)

    def _cast(self, value: ir.Value, dtype: ir.DataType, label: str) -> ir.Value:
        shape, name = self._shapes.shape(value) or (), self._build.fresh(f"{label}/cast")
        return self._build.node("Cast", [value], {"to": int(dtype)}, shape, name, dtype)

    def _plus(self, value: ir.Value, term: ir.Value, name: str) -> ir.Value:
        shape, dtype = self._shapes.shape(value) or (), self._shapes.dtype(value)
        return self._build.node("Add", [value, term], self._broadcast(), shape, self._build.fresh(f"{name}/add"), dtype)

    def _activated(self, value: ir.Value, activation: Activation, name: str) -> ir.Value:
        label = self._build.fresh(f"{name}/{activation.op_type.lower()}")
        shape, dtype = self._shapes.shape(value) or (), self._shapes.dtype(value)
        return self._build.node(activation.op_type, [value], dict(activation.attributes), shape, label, dtype)

    def _broadcast(self) -> dict[str, AttributeValue]:
        return {"broadcast": 1} if self._build.opset < _FIRST_NUMPY_BROADCAST_OPSET else {}


def _broadcastable(bias: Array, layer: FullyConnected) -> Array:
    """The bias with an axis for each axis of the layer's output."""
    outs = {f.label for f in layer.contraction.outs}
    sizes = ((f.size.static for f in a if f.label in outs) for a in layer.contraction.y)
    return bias.reshape([math.prod(size or 1 for size in axis) for axis in sizes])
