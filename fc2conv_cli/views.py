"""Algebra of Reshape, Transpose, Flatten, Squeeze and Unsqueeze.

A layout op computes nothing: it regroups and permutes the factors of a tensor's axes. So a chain of them is
one `View`: the factors in the order of the source axes, and the same factors in the order of the target axes.

    Flatten (N, C, H, W) -> (N, C*H*W)        source ((n),(c),(h),(w))   target ((n),(c,h,w))
    Transpose (B, S, C) -> (B, C, S)          source ((b),(s),(c))       target ((b),(c),(s))

Views compose (`View.then`), invert, apply to a constant, and turn back into the fewest nodes (`steps`). The idea of
axes as named factors is that of einops; here the names are made up, and the sizes may be symbolic.

A network repeats itself, so the same views are made again and again. What is costly to make is remembered by value, and
a view that was made before is given as the same object, which makes the next look-up cheap.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from fc2conv_cli.sizes import ONE, Shape, Size, product

REMEMBERED = 2**14
"""Results that are kept of each function: more than the different layers of any network, and a few megabytes."""

_ScalarT = TypeVar("_ScalarT", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Factor:
    """A named part of an axis. Two factors are the same part when their labels are equal."""

    label: str
    size: Size


Axis = tuple[Factor, ...]
"""An axis as the product of its factors, outermost first. Factors of size 1 are never written."""

Refinement = Mapping[str, Axis]
"""By the label of a factor: the smaller factors that it is the product of."""


def axis(label: str, size: Size) -> Axis:
    """An axis of one factor, or the empty axis when its size is 1."""
    return () if size.is_one else (Factor(label, size),)


def refine(axes: Iterable[Axis], refinement: Refinement) -> tuple[Axis, ...]:
    """The same axes, with each factor replaced by the smaller ones that it is the product of."""
    return tuple(tuple(part for f in a for part in refinement.get(f.label, (f,))) for a in axes)


def align(left: Sequence[Axis], right: Sequence[Axis]) -> tuple[Refinement, Refinement] | None:
    """The coarsest factors in which two ways to write the same axes agree.

    Args:
        left: Axes of a tensor.
        right: Axes of the same tensor, axis by axis of the same size, in other factors.

    Returns:
        What each factor of `left`, and each factor of `right`, is the product of. The new labels come from `right`.
        None when the factors interleave (4*6 against 6*4), so that there is no common refinement.
    """
    if len(left) != len(right):
        return None
    lefts: dict[str, Axis] = {}
    rights: dict[str, Axis] = {}
    for ours, theirs in zip(left, right, strict=True):
        if not _align_axis(ours, theirs, lefts, rights):
            return None
    return lefts, rights


def _align_axis(ours: Axis, theirs: Axis, lefts: dict[str, Axis], rights: dict[str, Axis]) -> bool:
    if len(ours) == len(theirs) and all(a.size == b.size for a, b in zip(ours, theirs, strict=True)):
        for a, b in zip(ours, theirs, strict=True):
            lefts[a.label] = (*lefts.get(a.label, ()), b)
            rights[b.label] = (*rights.get(b.label, ()), b)
        return True
    if product(f.size for f in ours) != product(f.size for f in theirs):
        return False
    i = j = 0
    left_rest = right_rest = ONE
    while i < len(ours) or j < len(theirs):
        if left_rest.is_one:
            left_rest = ours[i].size
        if right_rest.is_one:
            right_rest = theirs[j].size
        part = left_rest if right_rest.divide(left_rest) is not None else right_rest
        left_next, right_next = left_rest.divide(part), right_rest.divide(part)
        if left_next is None or right_next is None:
            return False
        whole = part == theirs[j].size
        label = theirs[j].label
        known = rights.get(label, ())
        factor = Factor(label if whole else f"{label}.{len(known)}", part)
        rights[label] = (*known, factor)
        lefts[ours[i].label] = (*lefts.get(ours[i].label, ()), factor)
        left_rest, right_rest = left_next, right_next
        i += left_rest.is_one
        j += right_rest.is_one
    return True


class Movement:
    """What a view does, whatever its factors are called: equal for equal rearrangements."""

    __slots__ = ("_does", "_hash")

    def __init__(self, does: tuple[object, ...]) -> None:
        """Take the shapes and blocks of a view."""
        self._does = does
        self._hash = hash(does)

    def __eq__(self, other: object) -> bool:
        """Whether both rearrange alike."""
        return self is other or (
            isinstance(other, Movement) and self._hash == other._hash and self._does == other._does
        )

    def __hash__(self) -> int:
        """As it was worked out at the start."""
        return self._hash


@dataclass(frozen=True)
class View:
    """A rearrangement of a tensor's elements: the same factors, grouped into source and into target axes.

    Attributes:
        source: The axes of the tensor that is read.
        target: The axes of the tensor that is made, of the same factors.
    """

    source: tuple[Axis, ...]
    target: tuple[Axis, ...]

    @classmethod
    def identity(cls, shape: Shape) -> View:
        """The view that changes nothing."""
        return _identity(shape)

    @classmethod
    def transpose(cls, shape: Shape, perm: Sequence[int]) -> View:
        """The view that ONNX Transpose computes; `perm` as in its attribute."""
        return _transpose(shape, tuple(perm))

    @classmethod
    def reshape(cls, source: Shape, target: Shape) -> View | None:
        """The view that ONNX Reshape computes, or None when no common factors show that it is one."""
        return _reshape(source, target)

    def __hash__(self) -> int:
        """Worked out once."""
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.source, self.target))

    @cached_property
    def source_shape(self) -> Shape:
        """Sizes of the source axes."""
        return tuple(product(f.size for f in a) for a in self.source)

    @cached_property
    def target_shape(self) -> Shape:
        """Sizes of the target axes."""
        return tuple(product(f.size for f in a) for a in self.target)

    def then(self, other: View) -> View | None:
        """The view that does this one first and `other` next, or None when their factors interleave."""
        return _then(self, other)

    def inverse(self) -> View:
        """The view that undoes this one."""
        return self._inverse

    @cached_property
    def _inverse(self) -> View:
        return same(View(self.target, self.source))

    @cached_property
    def blocks(self) -> tuple[tuple[Size, ...], tuple[int, ...]]:
        """The fewest blocks that move as one: their sizes in source order, and their order in the target.

        A view whose order is 0, 1, 2, ... moves no element: it is a Reshape, or nothing.
        """
        flat = [f for a in self.source for f in a]
        place = {f.label: i for i, f in enumerate(flat)}
        order = [place[f.label] for a in self.target for f in a]
        starts = [p for i, p in enumerate(order) if i == 0 or order[i - 1] != p - 1]
        cuts = [*sorted(starts), len(flat)]
        sizes = tuple(product(f.size for f in flat[a:b]) for a, b in itertools.pairwise(cuts))
        rank = {start: i for i, start in enumerate(sorted(starts))}
        return sizes, tuple(rank[s] for s in starts)

    @cached_property
    def movement(self) -> Movement:
        """What the view does, whatever its factors are called."""
        return _movement((self.source_shape, self.target_shape, self.blocks))

    @cached_property
    def changes_nothing(self) -> bool:
        """Whether what it makes is what it reads."""
        return self.source_shape == self.target_shape and self.moves_nothing

    @property
    def moves_nothing(self) -> bool:
        """Whether every element keeps its place in memory."""
        return list(self.blocks[1]) == list(range(len(self.blocks[1])))

    def apply(self, array: npt.NDArray[_ScalarT]) -> npt.NDArray[_ScalarT]:
        """The view of a constant; copies only if elements must move.

        Args:
            array: An array of the source shape; the view must be static.

        Returns:
            An array of the target shape and of the same dtype.
        """
        sizes, order = self.blocks
        moved = array.reshape(_static(sizes)).transpose(order)
        return moved.reshape(_static(self.target_shape))


def _static(shape: Shape) -> tuple[int, ...]:
    dims = tuple(size.static for size in shape)
    if None in dims:
        raise ValueError(f"the view of a constant cannot have symbolic dims: {dims}")
    return tuple(d for d in dims if d is not None)


@lru_cache(maxsize=REMEMBERED)
def same(view: View) -> View:
    """The view itself, or an equal one that was made before."""
    return view


_movement = lru_cache(maxsize=REMEMBERED)(Movement)


@lru_cache(maxsize=REMEMBERED)
def _identity(shape: Shape) -> View:
    axes = tuple(axis(f"a{i}", size) for i, size in enumerate(shape))
    return same(View(axes, axes))


@lru_cache(maxsize=REMEMBERED)
def _transpose(shape: Shape, perm: tuple[int, ...]) -> View:
    source = View.identity(shape).source
    return same(View(source, tuple(source[p] for p in perm)))


@lru_cache(maxsize=REMEMBERED)
def _reshape(source: Shape, target: Shape) -> View | None:
    flat = tuple(Factor(f"a{i}", s) for i, s in enumerate(source) if not s.is_one)
    cut = tuple(Factor(f"b{i}", s) for i, s in enumerate(target) if not s.is_one)
    aligned = align([flat], [cut])
    if aligned is None:
        return None
    lefts, rights = aligned
    before = refine((axis(f"a{i}", s) for i, s in enumerate(source)), lefts)
    return same(View(before, refine((axis(f"b{i}", s) for i, s in enumerate(target)), rights)))


@lru_cache(maxsize=REMEMBERED)
def _then(first: View, second: View) -> View | None:
    aligned = align(first.target, second.source)
    if aligned is None:
        return None
    return same(View(refine(first.source, aligned[0]), refine(second.target, aligned[1])))
