"""The convolutions that a layer can become: what each reads, and how its input and output are laid out.

Two textbook forms are the ends of one rule: summed factors go to the channel and to the kernel, batch goes to N, every
other position goes to a spatial axis where the kernel has size 1.

* *receptive field*: a 4-D value further up already is such a layout (a feature map before Flatten). The convolution
  reads it as it is; whatever reordered the summed factors on the way is undone in the kernel.
* *1x1*: all summed factors are channels. ``(N, K)`` becomes ``(N, K, 1, 1)`` and tokens ``(B, S, C)`` become
  ``(B, C, 1, S)``.

Stride is 1 and padding is 0 in both.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import onnx_ir as ir

from fc2conv_cli.contraction import Contraction
from fc2conv_cli.layout.nodes import LONGEST_CHAIN, can_move, is_layout_node, view_of
from fc2conv_cli.layout.quantizers import is_quantizer, source_dtype, undoes
from fc2conv_cli.layout.scales import ScaleForm, scale_form
from fc2conv_cli.layout.steps import Step, cost, steps
from fc2conv_cli.records import FullyConnected
from fc2conv_cli.shapes import Shapes
from fc2conv_cli.views import Axis, View

_SPATIAL_AXES = 2


@dataclass(frozen=True)
class ConvForm:
    """One convolution that a layer can become.

    Attributes:
        source: The value that it reads.
        read: From the source to the 4-D input (N, C, H, W).
        lifted: Layout nodes that are done on the source first, as they are.
        repeats: QuantizeLinear and DequantizeLinear between the source and the layer, which follow the read.
        weight: From the weight, as the node sees it, to (out channels, in channels of a group, kH, kW).
        scale: How the scale of a quantised weight lies along that; None if no DequantizeLinear can say it.
        bias: From the bias to (out channels,).
        write: From the 4-D output to the layer's output.
        kernel_shape: kH and kW.
        group: Number of groups.
        keeps_order: Whether it sums in the order of the weight's own axes.
        saved: Cost of the layout nodes between source and layer that nothing else reads.
    """

    source: ir.Value
    read: View
    lifted: tuple[ir.Node, ...]
    repeats: tuple[ir.Node, ...]
    weight: View
    scale: ScaleForm | None
    bias: View
    write: View
    kernel_shape: tuple[int, int]
    group: int
    keeps_order: bool
    saved: int

    @cached_property
    def read_steps(self) -> list[Step]:
        """The nodes before the convolution."""
        return steps(self.read)

    @cached_property
    def write_steps(self) -> list[Step]:
        """The nodes after the convolution."""
        return steps(self.write)

    @property
    def cost(self) -> int:
        """Cost of the layout nodes around the convolution, less that of those that it makes superfluous.

        What is repeated takes the place of what was there; it counts enough to prefer the nearest source among equals.
        """
        return cost(self.read_steps) + cost(self.write_steps) + len(self.repeats) - self.saved


def conv_forms(layer: FullyConnected, shapes: Shapes, taken: Container[ir.Node] = ()) -> Iterator[ConvForm]:
    """The convolutions that a layer can become, those that read farthest up first.

    Args:
        layer: The layer.
        shapes: Shapes of all values.
        taken: Nodes that layers absorb, so that nothing can be read from between them.
    """
    offered = False
    for source in reversed(_sources(layer, shapes, taken)):
        for form in _forms(source):
            if not (source.stays_put and (form.read_steps or source.lifted)):
                offered = True
                yield form
    if not offered:  # integers that nothing can move, or a DequantizeLinear outside a loop
        yield from _forms(_Source(layer.x, layer.contraction))


def _forms(source: _Source) -> Iterator[ConvForm]:
    if (direct := _direct(source.contraction)) is not None:
        yield _form(source, direct)
    for placed in _placements(source.contraction.positions):
        yield _form(source, _stacked(source.contraction, placed))


class _Source(NamedTuple):
    """A value that a layer can read.

    Attributes:
        value: The value.
        contraction: The layer as seen from there.
        lifted: Layout nodes between, which do not fit the layer's factors: they are to be done first, as they are.
        repeats: What quantises and dequantises on the way to the layer.
        stays_put: Whether no layout node is to follow: a DequantizeLinear is right above, from which none is to part
            the layer, or runtimes do not move its type.
        saved: Cost of the layout nodes that then nobody reads.
    """

    value: ir.Value
    contraction: Contraction
    lifted: tuple[ir.Node, ...] = ()
    repeats: tuple[ir.Node, ...] = ()
    stays_put: bool = False
    saved: int = 0


def _sources(layer: FullyConnected, shapes: Shapes, taken: Container[ir.Node]) -> list[_Source]:
    """The values that the layer can read: its input, and whatever only layout ops and quantizers lie between."""
    sources = [_Source(layer.x, layer.contraction)]
    here, free = sources[0], True
    for _ in range(LONGEST_CHAIN):
        node = here.value.producer()
        if node is None or node.graph is not layer.node.graph or node in taken:
            return sources  # what is outside a loop body is not to be done in every turn
        free = free and len(here.value.uses()) == 1 and not here.value.is_graph_output()
        further = _above(here, node, shapes, free=free)
        if further is None:
            return sources
        if not here.repeats and further.repeats:
            sources = [here._replace(stays_put=True)]
        here = further
        if here.repeats or not here.lifted:
            sources.append(here)
    return sources


def _above(here: _Source, node: ir.Node, shapes: Shapes, *, free: bool) -> _Source | None:
    """The input of `node`, which computes the source `here`; None if a convolution cannot read from there."""
    above = node.inputs[0] if node.inputs else None
    if above is None:
        return None
    if is_quantizer(node, shapes):
        redundant = here.repeats and undoes(here.repeats[0], node)
        repeats = here.repeats[1:] if redundant else (node, *here.repeats)
        return here._replace(value=above, repeats=repeats, stays_put=not can_move(source_dtype(node, shapes)))
    view = view_of(node, shapes)
    further = None if view is None or here.lifted else here.contraction.seen_from(view)
    if view is None or further is None:
        may_lift = is_layout_node(node) and not here.repeats and shapes.shape(node.outputs[0]) is not None
        return here._replace(value=above, lifted=(node, *here.lifted)) if may_lift else None
    return here._replace(value=above, contraction=further, saved=here.saved + cost(steps(view)) * free)


_Layout = tuple[Axis, Axis, Axis, Axis]


def _direct(contraction: Contraction) -> _Layout | None:
    """The value's own axes as (N, C, H, W), if a convolution can read them as they are."""
    if len(contraction.x) != 2 + _SPATIAL_AXES:
        return None
    n, c, h, w = contraction.x
    summed, grouped = contraction.summed, contraction.grouped

    def only_positions(a: Axis) -> bool:
        return all(f.label not in summed and f.label not in grouped for f in a)

    def only_summed(a: Axis) -> bool:
        return all(f.label in summed for f in a)

    groups = len([f for f in c if f.label in grouped])
    if not only_positions(n) or not only_summed(c[groups:]) or any(f.label not in grouped for f in c[:groups]):
        return None
    if not all(only_positions(a) or only_summed(a) for a in (h, w)):
        return None
    if not c and any(f.label not in summed for a in (h, w) for f in a):
        return None  # a kernel that slides over one channel is what convolution engines are worst at
    return n, c, h, w


def _stacked(contraction: Contraction, positions: tuple[Axis, Axis, Axis]) -> _Layout:
    """All summed factors as channels, in the order in which the value holds them, so that few have to move."""
    flat = [f for a in contraction.x for f in a]
    groups = tuple(f for f in flat if f.label in contraction.grouped)
    summed = tuple(f for f in flat if f.label in contraction.summed)
    n, h, w = positions
    return n, groups + summed, h, w


def _placements(positions: tuple[Axis, ...]) -> Iterator[tuple[Axis, Axis, Axis]]:
    """The ways to place the position axes on (N, H, W): the convention first."""
    if len(positions) <= 1:
        yield (positions[0] if positions else ()), (), ()
    elif len(positions) == 2:
        yield positions[0], (), positions[1]
    else:
        for i in range(1, len(positions) - 1):
            for j in range(i + 1, len(positions)):
                yield _merge(positions[:i]), _merge(positions[i:j]), _merge(positions[j:])


def _merge(axes: tuple[Axis, ...]) -> Axis:
    return tuple(f for a in axes for f in a)


def _form(source: _Source, layout: _Layout) -> ConvForm:
    n, c, h, w = layout
    contraction = source.contraction
    summed, grouped = contraction.summed, contraction.grouped
    groups = tuple(f for f in c if f.label in grouped)
    channels = tuple(f for f in c if f.label in summed)
    kernel = [tuple(f for f in a if f.label in summed) for a in (h, w)]
    rest = [() if k else a for k, a in zip(kernel, (h, w), strict=True)]
    used = summed | grouped
    in_weight = {f.label for a in contraction.w for f in a}
    outs = groups + tuple(f for a in contraction.y for f in a if f.label in in_weight - used)
    weight = View(contraction.w, (outs, channels, kernel[0], kernel[1]))
    *_, kh, kw = (size.static for size in weight.target_shape)
    assert kh is not None
    assert kw is not None
    return ConvForm(
        source.value,
        read=View(contraction.x, layout),
        lifted=source.lifted,
        repeats=source.repeats,
        weight=weight,
        scale=scale_form(contraction.scale, weight.target),
        bias=View((contraction.outs,), (outs,)),
        write=View((n, outs, rest[0], rest[1]), contraction.y),
        kernel_shape=(kh, kw),
        group=contraction.groups,
        keeps_order=not any(kernel) and list(channels) == [f for a in contraction.w for f in a if f.label in summed],
        saved=source.saved,
    )
