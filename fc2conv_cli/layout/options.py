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

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from fc2conv_cli.contraction import Contraction
from fc2conv_cli.layout.layouts import Layout, refined_like
from fc2conv_cli.layout.scales import ScaleForm, scale_form
from fc2conv_cli.records import FullyConnected
from fc2conv_cli.views import REMEMBERED, Axis, View, align, refine, same

_SPATIAL_AXES = 2


Tokens = Literal["width", "height", "batch"]
"""Where the tokens of a sequence go: (B, C, 1, S), (B, C, S, 1) or (B * S, C, 1, 1)."""


@dataclass(frozen=True)
class ConvForm:
    """One convolution that a layer can become.

    Attributes:
        read: From the axes of the layer's input to the 4-D input (N, C, H, W).
        weight: From the weight, as the node sees it, to (out channels, in channels of a group, kH, kW).
        scale: How the scale of a quantised weight lies along that; None if no DequantizeLinear can say it.
        bias: From the bias to (out channels,).
        write: From the axes of the layer's output to the 4-D output.
        kernel_shape: kH and kW.
        group: Number of groups.
        keeps_order: Whether it sums in the order of the weight's own axes.
    """

    read: Layout
    weight: View
    scale: ScaleForm | None
    bias: View
    write: Layout
    kernel_shape: tuple[int, int]
    group: int
    keeps_order: bool


def usual_forms(layer: FullyConnected, tokens: Tokens) -> Iterator[ConvForm]:
    """The convolutions that stack all summed factors as channels, whatever the layout of the input is."""
    yield from (form for form in _stacking(layer.contraction, tokens) if _is_exact(layer, form))


@lru_cache(maxsize=REMEMBERED)
def _stacking(contraction: Contraction, tokens: Tokens) -> tuple[ConvForm, ...]:
    placements = _placements(contraction.positions, tokens)
    return tuple(_form(contraction, contraction.x, _stacked(contraction, placed)) for placed in placements)


def form_for(layer: FullyConnected, layout: Layout) -> ConvForm | None:
    """The convolution that reads the input in a layout as it is; None if there is none."""
    form = _reading(layer.contraction, layout)
    return form if form is not None and _is_exact(layer, form) else None


@lru_cache(maxsize=REMEMBERED)
def _reading(contraction: Contraction, layout: Layout) -> ConvForm | None:
    stored = refined_like(layout, contraction.x)
    if stored is None:
        return None
    seen = contraction.seen_from(View(stored.target, stored.source))
    direct = None if seen is None else _direct(seen)
    if seen is None or direct is None:
        return None
    return _form(seen, _unfolded(stored, seen.x), direct)


def _unfolded(layout: Layout, stored: tuple[Axis, ...]) -> tuple[Axis, ...]:
    """The axes of the value itself, in the factors of its stored axes."""
    aligned = align(layout.target, stored)
    assert aligned is not None  # `stored` was made of them
    return refine(layout.source, aligned[0])


def _is_exact(layer: FullyConnected, form: ConvForm) -> bool:
    """Whether a quantised layer multiplies the same integers by the same scales, in an order that keeps them equal."""
    if layer.weight.dequantization is not None and form.scale is None:
        return False
    return layer.integer is None or not layer.integer.keeps_order or form.keeps_order


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


def _placements(positions: tuple[Axis, ...], tokens: Tokens) -> Iterator[tuple[Axis, Axis, Axis]]:
    """The ways to place the position axes on (N, H, W): the convention first."""
    if len(positions) <= 1:
        yield (positions[0] if positions else ()), (), ()
    elif tokens == "batch":
        yield _merge(positions), (), ()
    elif len(positions) == 2:
        yield (positions[0], (), positions[1]) if tokens == "width" else (positions[0], positions[1], ())
    else:
        for i in range(1, len(positions) - 1):
            for j in range(i + 1, len(positions)):
                yield _merge(positions[:i]), _merge(positions[i:j]), _merge(positions[j:])


def _merge(axes: tuple[Axis, ...]) -> Axis:
    return tuple(f for a in axes for f in a)


def _form(contraction: Contraction, x: tuple[Axis, ...], layout: _Layout) -> ConvForm:
    """The convolution that reads `x`, the axes of the layer's input, as `layout`."""
    n, c, h, w = layout
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
        read=same(View(x, layout)),
        weight=same(weight),
        scale=scale_form(contraction.scale, weight.target),
        bias=same(View((contraction.outs,), (outs,))),
        write=same(View(contraction.y, (n, outs, rest[0], rest[1]))),
        kernel_shape=(kh, kw),
        group=contraction.groups,
        keeps_order=not any(kernel) and list(channels) == [f for a in contraction.w for f in a if f.label in summed],
    )
