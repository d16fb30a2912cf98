"""What a fully connected layer sums over, in one form for every spelling.

A layer is ``y[g, p, m] = sum over k of w[g, m, k] * x[g, p, k]``. Each letter stands for factors of axes:

    k   summed        in x and w
    m   out           in w and y
    p   position      in x and y: batch, tokens, pixels
    g   group         in x, w and y: one matrix an entry (a batched weight)

The axes of x, w and y, written in shared factors, are all that distinguishes one spelling from another.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

from fc2conv_cli.sizes import Shape, product
from fc2conv_cli.views import Axis, Refinement, View, align, refine


@dataclass(frozen=True)
class Contraction:
    """The axes of a layer's tensors, in shared factors.

    Attributes:
        x: Axes of the activation.
        w: Axes of the weight, as the node sees it.
        y: Axes of the output.
        positions: The position factors grouped by the output axis that they come from, in order; an axis of size 1, or
            one that became a group or an out axis, stands as an empty one. The first goes to the batch axis of the
            convolution and the others to its spatial axes.
        scale: Axes of the scale of a quantised weight; empty when one number scales all of it.
    """

    x: tuple[Axis, ...]
    w: tuple[Axis, ...]
    y: tuple[Axis, ...]
    positions: tuple[Axis, ...]
    scale: tuple[Axis, ...] = ()

    def __hash__(self) -> int:
        """Worked out once."""
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.x, self.w, self.y, self.positions, self.scale))

    @cached_property
    def summed(self) -> frozenset[str]:
        """Labels of the factors that are summed over."""
        return _labels(self.x) & _labels(self.w) - _labels(self.y)

    @cached_property
    def grouped(self) -> frozenset[str]:
        """Labels of the factors that select a matrix of a batched weight."""
        return _labels(self.x) & _labels(self.w) & _labels(self.y)

    @cached_property
    def outs(self) -> Axis:
        """The factors that tell outputs of one position apart, in the order of y: what a bias has."""
        ours = _labels(self.w) - self.summed
        return tuple(f for a in self.y for f in a if f.label in ours)

    @cached_property
    def in_features(self) -> int:
        """Number of elements that one output element sums over."""
        return self._count(self.w, self.summed)

    @cached_property
    def groups(self) -> int:
        """Number of matrices that a batched weight holds, one for each group of channels."""
        return self._count(self.w, self.grouped)

    @cached_property
    def out_features(self) -> int:
        """Number of output elements at one position, all groups together."""
        return self._count(self.w, _labels(self.w) - self.summed)

    @cached_property
    def position_shape(self) -> Shape:
        """Sizes of the position axes, in order."""
        return tuple(product(f.size for f in a) for a in self.positions)

    def seen_from(self, view: View) -> Contraction | None:
        """The same layer reading the source of `view` instead of x, its target; None if they do not fit."""
        aligned = align(view.target, self.x)
        if aligned is None:
            return None
        return replace(self.refined(aligned[1]), x=refine(view.source, aligned[0]))

    def refined(self, refinement: Refinement) -> Contraction:
        """The same layer in smaller factors."""
        x, w, y, positions, scale = (
            refine(axes, refinement) for axes in (self.x, self.w, self.y, self.positions, self.scale)
        )
        return Contraction(x, w, y, positions, scale)

    def _count(self, axes: Iterable[Axis], labels: frozenset[str]) -> int:
        static = product(f.size for a in axes for f in a if f.label in labels).static
        assert static is not None  # all factors of a weight are static
        return static


def _labels(axes: Iterable[Axis]) -> frozenset[str]:
    return frozenset(f.label for a in axes for f in a)
