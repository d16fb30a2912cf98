"""Writes the planned convolutions into the graph.

    before      x ──(layout ops)── x2 ──Gemm/MatMul──(Add)── y

    after       x ──[layout]──Conv──[layout]──(Mul)──(Add)── y

The layout ops between x and x2 stay only if something else reads them. `Mul` appears only when alpha cannot be folded
into the weight without overflow, `Add` only for a term that is no bias.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from fc2conv_cli.constants import Constants
from fc2conv_cli.layers.scale import fits
from fc2conv_cli.layout.builder import AttributeValue, Builder
from fc2conv_cli.layout.kernels import Kernels, Stored
from fc2conv_cli.layout.quantizers import is_quantizer, result_dtype, source_dtype
from fc2conv_cli.layout.steps import COMPUTED
from fc2conv_cli.records import Activation, Addend, FullyConnected, Plan, PlannedLayer, Rescale
from fc2conv_cli.sizes import Shape

Array = npt.NDArray[np.generic]

_FIRST_NUMPY_BROADCAST_OPSET = 7


def emit(plan: Plan, build: Builder, constants: Constants) -> Mapping[ir.Value, Sequence[Stored]]:
    """Carry out a plan on the graph of `build`, in place.

    What only the old nodes needed is still there afterwards: see `fc2conv_cli.cleanup`.

    Returns:
        The weights that were written, by the value that holds the original bytes.
    """
    kernels = Kernels(build, constants)
    writer = _Writer(build, kernels)
    for planned in plan.layers:
        writer.write(planned)
    return kernels.stored


class _Writer:
    def __init__(self, build: Builder, kernels: Kernels) -> None:
        self._build = build
        self._shapes = build.shapes
        self._kernels = kernels
        self._replaced: dict[ir.Value, ir.Value] = {}
        self._reads: dict[tuple[object, ...], tuple[ir.Value, ...]] = {}  # one converted copy serves all its readers

    def write(self, planned: PlannedLayer) -> None:
        layer, form = planned.layer, planned.form
        build, name = self._build, layer.node.name or self._build.fresh(layer.name)
        value, *quantization = self._read(planned, name)
        build.at(layer.absorbed[-1], layer.absorbed, layer.dtype)
        value = self._convolution(planned, value, quantization[1:], name)
        value = self._repeated(value, layer.tail, layer.dtype, name)
        tail = build.latest(len(layer.tail))
        build.at(layer.absorbed[-1], layer.absorbed, self._shapes.dtype(value))
        donor = self._donor(planned) if any(s.argument == COMPUTED for s in form.write_steps) else None
        value = build.steps(value, form.write_steps, name, donor)
        if layer.integer is not None and layer.integer.rescale is not None:
            value = self._rescaled(layer.integer.rescale, value, quantization[:1], name)
        value = self._finished(layer, value, name)
        build.take_over(layer.y, value, layer.absorbed)
        for node, again in zip(layer.tail, tail, strict=True):
            again.name = node.name
        self._replaced[layer.y] = value

    def _read(self, planned: PlannedLayer, name: str) -> tuple[ir.Value, ...]:
        """The 4-D input, with its scale and zero point if they are computed here.

        It is written where the layer multiplies, so that later layers can read it too.
        """
        layer, form = planned.layer, planned.form
        source = self._current(form.source)
        quantizes = layer.integer is not None and layer.integer.quantizes
        key = (source, layer.node.graph, form.lifted, form.read.movement, form.repeats, quantizes)
        if key not in self._reads:
            dtype = self._read_dtype(planned)
            self._build.at(layer.node, layer.absorbed, dtype)
            for node in form.lifted:
                source = self._build.repeat(node, source, self._shapes.shape(node.outputs[0]) or (), dtype, name)
            value = self._build.steps(source, form.read_steps, name)
            value = self._repeated(value, form.repeats, dtype, name)
            shape = form.read.target_shape
            self._reads[key] = self._build.dynamically_quantized(value, shape, name) if quantizes else (value,)
        return self._reads[key]

    def _read_dtype(self, planned: PlannedLayer) -> ir.DataType | None:
        """The type of what is read; not by inference where it can be helped, which does not know every operator."""
        layer, repeats = planned.layer, planned.form.repeats
        if repeats:
            return source_dtype(repeats[0], self._shapes)
        if layer.integer is None:
            return layer.dtype
        return ir.DataType.FLOAT if layer.integer.quantizes else layer.integer.x_dtype

    def _repeated(self, value: ir.Value, nodes: Iterable[ir.Node], dtype: ir.DataType | None, name: str) -> ir.Value:
        """Nodes that compute each element on its own, once more, in the layout of `value`."""
        shape = self._shapes.shape(value) or ()
        for node in nodes:
            dtype = result_dtype(node, self._shapes) if is_quantizer(node, self._shapes) else dtype
            value = self._build.repeat(node, value, shape, dtype, f"{name}/{node.op_type.lower()}")
        return value

    def _convolution(
        self, planned: PlannedLayer, value: ir.Value, zero_point: Sequence[ir.Value], name: str
    ) -> ir.Value:
        layer, form = planned.layer, planned.form
        attributes: dict[str, AttributeValue] = {
            "dilations": [1, 1],
            "group": form.group,
            "kernel_shape": list(form.kernel_shape),
            "pads": [0, 0, 0, 0],
            "strides": [1, 1],
        }
        weight = self._kernels.weight(planned, name)
        if (integer := layer.integer) is not None:
            after = [
                self._current(v) if isinstance(v, ir.Value) else self._build.array(f"{name}.zero_point", v)
                for v in integer.after
            ]
            inputs = [value, *map(self._current, integer.before), weight, *zero_point, *after]
            return self._build.node(integer.op_type, inputs, attributes, form.write.source_shape, name)
        inputs = [value, weight]
        bias = self._kernels.bias(planned, name) if layer.folds_alpha else None
        inputs.extend([] if bias is None else [bias])
        return self._build.node("Conv", inputs, attributes, form.write.source_shape, name)

    def _rescaled(self, rescale: Rescale, value: ir.Value, scale: Sequence[ir.Value], name: str) -> ir.Value:
        """The int32 sums as floats."""
        if rescale.bias is not None:
            value = self._plus(value, self._current(rescale.bias), name)
        value = self._cast(value, ir.DataType.FLOAT, name)
        first, *others = [*scale, *map(self._current, rescale.scales)]
        for other in others:
            shapes = [self._shapes.shape(v) or () for v in (other, first)]
            first = self._product(first, other, max(shapes, key=len), f"{name}/scale")
        return self._product(value, first, self._shapes.shape(value) or (), f"{name}/rescale")

    def _product(self, left: ir.Value, right: ir.Value, shape: Shape, label: str) -> ir.Value:
        return self._build.node("Mul", [left, right], {}, shape, self._build.fresh(label), ir.DataType.FLOAT)

    def _finished(self, layer: FullyConnected, value: ir.Value, name: str) -> ir.Value:
        """What the layer does to its result beyond a convolution."""
        if not layer.folds_alpha:
            value = self._scaled(value, layer.alpha, f"{name}/alpha")
            if layer.bias is not None:
                bias = self._build.array(f"{name}.bias", _broadcastable(layer.bias, layer))
                value = self._plus(value, bias, name)
        if layer.addend is not None:
            value = self._plus(value, self._term(layer.addend, name), name)
        return value if layer.activation is None else self._activated(value, layer.activation, name)

    def _donor(self, planned: PlannedLayer) -> ir.Value:
        """A value with all the dims that the output's shape needs; the layer's own input always has them."""
        source = planned.form.source
        needed = {s for s in planned.form.write.target_shape if s.static is None}
        return self._current(source if needed <= set(self._shapes.shape(source) or ()) else planned.layer.x)

    def _term(self, addend: Addend, name: str) -> ir.Value:
        term = self._current(addend.value)
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

    def _current(self, value: ir.Value) -> ir.Value:
        while value in self._replaced:
            value = self._replaced[value]
        return value


def _broadcastable(bias: Array, layer: FullyConnected) -> Array:
    """The bias with an axis for each axis of the layer's output."""
    outs = {f.label for f in layer.contraction.outs}
    sizes = ((f.size.static for f in a if f.label in outs) for a in layer.contraction.y)
    return bias.reshape([math.prod(size or 1 for size in axis) for axis in sizes])
