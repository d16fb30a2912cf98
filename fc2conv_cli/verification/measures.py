"""Figures of an output over all runs: they are reported, and judge nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.generic]

_MOST_CLASSES = 2**20
"""An output with more columns is no list of class scores."""


@dataclass
class Sums:
    """What is added up from run to run, over the places where both models have a finite number.

    Attributes:
        count: Number of such places.
        absolute: Sum of the absolute differences.
        squared: Sum of their squares.
        ours: Sum of the squares of the original.
        theirs: Sum of the squares of the converted model.
        product: Sum of the products of both.
        ulp: Largest distance, in units in the last place of the output's type; None for integers.
        rows: Number of rows that look like class scores.
        agreeing: How many of them have their largest value at the same place.
    """

    count: int = 0
    absolute: float = 0.0
    squared: float = 0.0
    ours: float = 0.0
    theirs: float = 0.0
    product: float = 0.0
    ulp: int | None = None
    rows: int = 0
    agreeing: int = 0

    def add(self, reference: Array, converted: Array) -> None:
        """Take in one run: two numeric arrays of one shape and type."""
        ours, theirs = (np.asarray(a, np.float64).reshape(-1) for a in (reference, converted))
        finite = np.isfinite(ours) & np.isfinite(theirs)
        ours, theirs = ours[finite], theirs[finite]
        delta = np.abs(ours - theirs)
        self.count += ours.size
        self.absolute += float(delta.sum())
        self.squared += float((delta**2).sum())
        self.ours += float((ours**2).sum())
        self.theirs += float((theirs**2).sum())
        self.product += float((ours * theirs).sum())
        distance = ulp_distance(reference.reshape(-1)[finite], converted.reshape(-1)[finite])
        if distance is not None:
            self.ulp = max(self.ulp or 0, distance)
        if looks_like_scores(reference):
            self.rows += reference.shape[0]
            same = np.argmax(np.asarray(reference, np.float64), 1) == np.argmax(np.asarray(converted, np.float64), 1)
            self.agreeing += int(same.sum())

    @property
    def measures(self) -> Measures | None:
        """The figures; None if nothing finite was compared."""
        if not self.count:
            return None
        norms = math.sqrt(self.ours) * math.sqrt(self.theirs)
        equal = self.squared == 0
        return Measures(
            mean_abs=self.absolute / self.count,
            rmse=math.sqrt(self.squared / self.count),
            cosine=1.0 if equal else min(1.0, self.product / norms) if norms else 0.0,
            sqnr_db=math.inf if equal else 10 * math.log10(self.ours / self.squared) if self.ours else -math.inf,
            max_ulp=self.ulp,
            top1=self.agreeing / self.rows if self.rows else None,
        )


@dataclass(frozen=True)
class Measures:
    """How far apart two models are in an output, over all runs.

    Attributes:
        mean_abs: Mean absolute difference.
        rmse: Root of the mean square difference.
        cosine: Cosine of the angle between both, all runs as one vector; 1 for the same direction.
        sqnr_db: Power of the original's values over that of the difference, in dB; infinite when equal.
        max_ulp: Largest distance in units in the last place (how many floats of the type lie between); None for
            integers.
        top1: Share of the rows whose largest value is at the same place, 0 to 1; None unless the output looks like
            class scores (floats of rank 2 with two columns or more).
    """

    mean_abs: float
    rmse: float
    cosine: float
    sqnr_db: float
    max_ulp: int | None
    top1: float | None


def looks_like_scores(array: Array) -> bool:
    """Whether rows of an output may be scores of classes."""
    return array.ndim == 2 and "float" in array.dtype.name and 2 <= array.shape[1] <= _MOST_CLASSES and bool(array.size)


_INTEGERS = {"float16": np.int16, "bfloat16": np.int16, "float32": np.int32, "float64": np.int64}


def ulp_distance(reference: Array, converted: Array) -> int | None:
    """The largest number of steps from float to float between two arrays of finite numbers; None for integers.

    The bits of IEEE 754 floats of one sign are in the order of their values, so that the difference of the bits as
    integers counts the steps; +0 and -0 are one step of 0 apart.
    """
    integers = _INTEGERS.get(reference.dtype.name)
    if integers is None or not reference.size:
        return None if integers is None else 0
    ours, theirs = (_ordered(np.ascontiguousarray(array).view(integers)) for array in (reference, converted))
    # In Python's own numbers: the distance between two float64 may not fit into 64 bits.
    unequal = np.flatnonzero(ours != theirs)
    if not unequal.size:
        return 0
    if integers is not np.int64:
        return int(np.abs(ours[unequal] - theirs[unequal]).max())
    return max(abs(int(a) - int(b)) for a, b in zip(ours[unequal], theirs[unequal], strict=True))


def _ordered(bits: npt.NDArray[np.signedinteger]) -> npt.NDArray[np.int64]:
    """Integers in the order of the floats that they are the bits of, 0 for both zeros."""
    wide = bits.astype(np.int64)
    least = np.int64(np.iinfo(bits.dtype).min)
    return np.where(wide < 0, least - wide, wide)
