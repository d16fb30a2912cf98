"""The constant operands of the convolutions: weights and biases, floats or integers with their DequantizeLinear."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from fc2conv_cli.constants import Constants
from fc2conv_cli.dequantization import Dequantization
from fc2conv_cli.layers.scale import scaled
from fc2conv_cli.layout.builder import AttributeValue, Builder
from fc2conv_cli.layout.scales import ScaleForm
from fc2conv_cli.records import PlannedLayer
from fc2conv_cli.sizes import Shape, shape_of
from fc2conv_cli.views import View
from fc2conv_cli.weights import Rearranged

Array = npt.NDArray[np.generic]


class Stored(NamedTuple):
    """A weight that was written, and whether its bytes are those of its origin."""

    value: ir.Value
    same_bytes: bool


class Kernels:
    """Writes constant operands; a weight that several layers read alike is written once.

    Attributes:
        stored: What was written, by the value that holds the original bytes.
    """

    def __init__(self, build: Builder, constants: Constants) -> None:
        """Write through `build`, which must stand where the convolution will."""
        self._build = build
        self._constants = constants
        self.stored: dict[ir.Value, list[Stored]] = {}
        self._weights: dict[tuple[object, ...], ir.Value] = {}

    def weight(self, planned: PlannedLayer, name: str) -> ir.Value:
        """The 4-D weight of a layer, times alpha and gain where they are folded."""
        layer, form = planned.layer, planned.form
        weight, view, constants = layer.weight, form.weight, self._constants
        alpha = layer.alpha if layer.folds_alpha else 1.0

        gain = None if layer.gain is None else form.bias.apply(layer.gain)

        def kernel() -> Array:
            array = view.apply(constants.array(weight))
            array = array if alpha == 1 else scaled(array, alpha)
            if gain is None:
                return array
            with np.errstate(all="ignore"):  # `fold` has made sure that what was finite stays so
                return (array.astype(np.float64) * gain.reshape(-1, 1, 1, 1)).astype(array.dtype)

        stored = weight.dequantization
        maker = weight.origin.producer()
        home = weight.origin.graph if maker is None else maker.graph
        factors = (alpha, None if gain is None else gain.tobytes())
        movement = (*(v.movement for v in weight.views), view.movement)
        key = (weight.origin, movement, factors, self._build.scope(home))
        if key not in self._weights:
            dims = [d for size in view.target_shape if (d := size.static) is not None]
            whole = _composed((*weight.views, view)) if factors == (1.0, None) else None
            source = ir.convenience.get_const_tensor(weight.origin)
            if source is None or whole is None:
                self._weights[key] = self._build.lazy(f"{name}.weight", kernel, dims, weight.dtype, home)
            else:
                moved = Rearranged(source, whole, dims)
                self._weights[key] = self._build.initializer(f"{name}.weight", moved, home)
            same_bytes = whole is not None and whole.moves_nothing
            self.stored.setdefault(weight.origin, []).append(Stored(self._weights[key], same_bytes))
        if stored is None:
            return self._weights[key]
        assert form.scale is not None  # or the form would not have been chosen
        return self._dequantized(self._weights[key], stored, form.scale, view.target_shape, f"{name}.weight")

    def bias(self, planned: PlannedLayer, name: str) -> ir.Value | None:
        """The bias of the convolution; None without one."""
        layer, view = planned.layer, planned.form.bias
        if layer.bias is None:
            return None
        array = self._build.array(f"{name}.bias", view.apply(layer.bias))
        stored = layer.bias_scale
        if stored is None:
            return array
        along = ScaleForm(view.source, view.target, 0) if stored.scale.ndim else ScaleForm((), ())
        return self._dequantized(array, stored, along, shape_of([layer.bias.size]), f"{name}.bias")

    def _dequantized(
        self, integers: ir.Value, stored: Dequantization, along: ScaleForm, shape: Shape, name: str
    ) -> ir.Value:
        inputs = [integers, self._build.array(f"{name}_scale", along.apply(stored.scale))]
        if stored.zero_point is not None:
            inputs.append(self._build.array(f"{name}_zero_point", along.apply(stored.zero_point)))
        attributes: dict[str, AttributeValue] = {}
        if along.axis is not None:
            attributes["axis"] = along.axis
        if along.block_size:
            attributes["block_size"] = along.block_size
        if stored.output_dtype:
            attributes["output_dtype"] = stored.output_dtype
        label = self._build.fresh(f"{name}/dequantize")
        return self._build.node("DequantizeLinear", inputs, attributes, shape, label, stored.dtype, stored.domain)


def _composed(views: Iterable[View]) -> View | None:
    """Views one after the other as one, if that is a view."""
    whole: View | None = None
    for view in views:
        whole = view if whole is None else whole.then(view)
        if whole is None:
            return None
    return whole
