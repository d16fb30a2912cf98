"""Picks the layout of every layer: the fewest and cheapest layout nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from fc2conv_cli.layers import reasons
from fc2conv_cli.layout.options import ConvForm, conv_forms
from fc2conv_cli.layout.steps import COMPUTED
from fc2conv_cli.records import FullyConnected, Plan, PlannedLayer, Skip
from fc2conv_cli.shapes import Shapes


def solve(
    found: Iterable[FullyConnected | Skip], shapes: Shapes, wanted: Callable[[str], bool] = lambda name: True
) -> Plan:
    """Choose a convolution for each layer.

    Args:
        found: What `fc2conv_cli.layers.find` yields.
        shapes: Shapes of all values.
        wanted: Whether the layer of that name is to be converted.

    Returns:
        The plan. Each layer is taken on its own: the form whose layout nodes cost the least, and among equals the
        first that `conv_forms` offers.
    """
    layers: list[PlannedLayer] = []
    skips: list[Skip] = []
    found = list(found)
    taken = {n for item in found if isinstance(item, FullyConnected) and wanted(item.name) for n in item.absorbed}
    for item in found:
        if isinstance(item, Skip):
            skips.append(item)
        elif not wanted(item.name):
            skips.append(Skip(item.node, reasons.EXCLUDED))
        else:
            offered = list(conv_forms(item, shapes, taken))
            forms = [form for form in offered if _can_be_written(form) and _is_exact(item, form)]
            if forms:
                layers.append(PlannedLayer(item, min(forms, key=lambda form: form.cost)))
            else:
                skips.append(Skip(item.node, *_why_none(item, offered)))
    return Plan(tuple(layers), tuple(skips))


def _why_none(layer: FullyConnected, offered: Sequence[ConvForm]) -> tuple[reasons.Reason, str]:
    if any(size.static == 0 for size in layer.contraction.position_shape):
        return reasons.EMPTY, ""
    if layer.weight.dequantization is not None and not any(form.scale for form in offered):
        return reasons.QUANTIZED_WEIGHT, "its blocks do not stay whole in the weight of a convolution"
    return reasons.INEXPRESSIBLE_LAYOUT, ""


def _is_exact(layer: FullyConnected, form: ConvForm) -> bool:
    """Whether a quantised layer multiplies the same integers by the same scales in this form."""
    if layer.weight.dequantization is not None and form.scale is None:
        return False
    return layer.integer is None or not layer.integer.keeps_order or form.keeps_order


def _can_be_written(form: ConvForm) -> bool:
    """Whether runtimes take the convolution and its layout nodes.

    Constants must spell every Reshape but the last, whose shape is the output's and can be computed. An empty batch
    is fine, an empty spatial axis is not (onnxruntime: "Invalid input shape").
    """
    computed = [step for step in (*form.read_steps, *form.write_steps[:-1]) if step.argument == COMPUTED]
    return not computed and all(size.static != 0 for size in form.read.target_shape[2:])
