"""How far apart two tensors are, and whether that is within tolerance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fc2conv_cli.verification.fills import magnitudes

Array = npt.NDArray[np.generic]

_DEFAULTS: dict[str, tuple[float, float]] = {
    "float64": (1e-10, 1e-10),
    "float32": (1e-5, 1e-5),
    "float16": (1e-3, 5e-3),
    "bfloat16": (1e-2, 2e-2),
}
"""(atol, rtol) by dtype. A convolution sums in another order than a matrix product: float32 differs in the last
bits, and float16 may be accumulated in either precision. Integers, booleans and strings must be equal."""


NOISE_FACTOR = 4.0
"""A deviation of so many times the noise floor may still be the model's own rounding: both models round in every layer,
the noise floor moves the inputs alone."""
MORE_THAN_ROUNDING = 16.0
"""Times the noise that a deviation may be and still be called rounding: beyond it one within tolerance is pointed out,
and for one outside no tolerance is offered. Right conversions of the corpus come to 4.5 at most; a wrong weight of a
detector's class head, beside boxes in pixels, comes to 20."""


@dataclass(frozen=True)
class Tolerance:
    """The gate of an output: ``max|delta| <= atol + rtol * max|reference|``.

    Attributes:
        atol: Absolute part, in units of the output.
        rtol: Relative part, of the largest magnitude in the reference.
        elementwise: Whether it is numpy's rule instead: ``|delta| <= atol + rtol * |reference|`` for each element.
    """

    atol: float
    rtol: float
    elementwise: bool = False

    def allowed(self, magnitude: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """What it allows each element of a reference of these magnitudes."""
        sizes = magnitude if self.elementwise else np.full_like(magnitude, magnitude.max(initial=0.0))
        return np.asarray(self.atol + self.rtol * sizes)

    def at(self, magnitude: float) -> float:
        """What it is where the reference has that magnitude."""
        return self.atol + self.rtol * magnitude


def tolerance_for(
    dtype: str,
    atol: float | None = None,
    rtol: float | None = None,
    coarsest_float: str = "float64",
    *,
    elementwise: bool = False,
) -> Tolerance:
    """The tolerance for an output.

    Args:
        dtype: Its element type.
        atol: What the user asked for, if anything.
        rtol: What the user asked for, if anything.
        coarsest_float: The coarsest float type that the model computes in, which bounds what a finer output is worth.
        elementwise: Whether each element is held to it, not the largest.
    """
    if dtype not in _DEFAULTS:
        return Tolerance(0.0, 0.0)
    default = max(_DEFAULTS[dtype], _DEFAULTS[coarsest_float])
    return Tolerance(default[0] if atol is None else atol, default[1] if rtol is None else rtol, elementwise)


@dataclass(frozen=True)
class Deviation:
    """How far one tensor is from its reference.

    Attributes:
        max_abs: Largest absolute difference; infinite where only one side is finite or the values are unequal
            without a difference (strings).
        max_reference: Largest magnitude in the finite part of the reference, without fill values that both have.
        index: Where the largest difference is (elementwise: the largest multiple of what is allowed there); None when
            both are equal.
        reference: The value of the original there.
        converted: The value of the converted model there.
        passed: Whether it is within tolerance.
        nans: Share of the places where both are NaN, 0 to 1.
        infinities: Share of the places where both are the same infinity, 0 to 1.
        elementwise_rtol: The least rtol with which each element would pass; None unless they are held to it one by one.
    """

    max_abs: float
    max_reference: float
    index: tuple[int, ...] | None
    reference: float | str | None
    converted: float | str | None
    passed: bool
    nans: float = 0.0
    infinities: float = 0.0
    elementwise_rtol: float | None = None

    @property
    def max_relative(self) -> float:
        """`max_abs` over `max_reference`."""
        if self.max_abs == 0:
            return 0.0
        return self.max_abs / self.max_reference if self.max_reference else float("inf")

    def is_within(self, tolerance: Tolerance) -> bool:
        """Whether it passes a gate; an infinite difference passes none.

        One that is for each element must have the atol that this was measured with.
        """
        if tolerance.elementwise and self.elementwise_rtol is not None:
            return math.isfinite(self.max_abs) and self.elementwise_rtol <= tolerance.rtol
        return bool(
            math.isfinite(self.max_abs) and self.max_abs <= tolerance.atol + tolerance.rtol * self.max_reference
        )

    def rtol_to_pass(self, atol: float) -> float:
        """The least rtol with which it would pass, given atol."""
        if self.elementwise_rtol is not None:
            return self.elementwise_rtol
        over = self.max_abs - atol
        if over <= 0:
            return 0.0
        return over / self.max_reference if self.max_reference else float("inf")


def compare(reference: Array, converted: Array, tolerance: Tolerance) -> Deviation:
    """Measure a tensor against its reference, of the same shape and dtype.

    NaN at the same places is equal, and so is the same infinity; on one side only, or of another sign, it fails.
    """
    if reference.dtype.kind not in "iub" and str(reference.dtype) not in _DEFAULTS:
        return _compare_exactly(reference, converted)
    ours, theirs = reference.astype(np.float64), converted.astype(np.float64)
    odd = ~(np.isfinite(ours) & np.isfinite(theirs))
    same_odd = odd & ((ours == theirs) | (np.isnan(ours) & np.isnan(theirs)))
    with np.errstate(invalid="ignore", over="ignore"):
        delta = np.where(same_odd, 0.0, np.where(odd, np.inf, np.abs(ours - theirs)))
    if reference.dtype.kind in "iu" and reference.dtype.itemsize == 8:
        # float64 does not tell neighbouring large integers apart
        delta = np.where((reference != converted) & (delta == 0), 1.0, delta)
    magnitude = magnitudes(reference, converted)
    max_reference = float(magnitude.max(initial=0.0))
    max_abs = float(delta.max()) if delta.size else 0.0
    index = None
    if max_abs > 0:
        size = _share(delta, magnitude, tolerance) if tolerance.elementwise else delta
        index = tuple(int(i) for i in np.unravel_index(int(np.argmax(size)), delta.shape))
    return Deviation(
        max_abs,
        max_reference,
        index,
        None if index is None else float(ours[index]),
        None if index is None else float(theirs[index]),
        _passes(delta, magnitude, tolerance),
        float(np.isnan(ours[same_odd]).sum() / max(ours.size, 1)),
        float(np.isinf(ours[same_odd]).sum() / max(ours.size, 1)),
        _elementwise_rtol(delta, magnitude, tolerance.atol) if tolerance.elementwise else None,
    )


def _share(
    delta: npt.NDArray[np.float64], magnitude: npt.NDArray[np.float64], tolerance: Tolerance
) -> npt.NDArray[np.float64]:
    """Each difference as a multiple of what is allowed there."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nan_to_num(delta / tolerance.allowed(magnitude), nan=0.0, posinf=np.inf)


def _passes(delta: npt.NDArray[np.float64], magnitude: npt.NDArray[np.float64], tolerance: Tolerance) -> bool:
    if not delta.size:
        return True
    if not np.isfinite(delta).all():
        return False
    if tolerance.elementwise:
        return bool((delta <= tolerance.atol + tolerance.rtol * magnitude).all())
    return bool(delta.max() <= tolerance.atol + tolerance.rtol * magnitude.max())


def _elementwise_rtol(delta: npt.NDArray[np.float64], magnitude: npt.NDArray[np.float64], atol: float) -> float:
    over = delta > atol
    if not over.any():
        return 0.0
    with np.errstate(divide="ignore"):
        return float(((delta[over] - atol) / magnitude[over]).max())


def _compare_exactly(reference: Array, converted: Array) -> Deviation:
    unequal = np.asarray(reference != converted)
    if not unequal.any():
        return Deviation(0.0, 0.0, None, None, None, True)
    index = tuple(int(i) for i in np.unravel_index(int(np.argmax(unequal)), unequal.shape))
    return Deviation(float("inf"), 0.0, index, str(reference[index]), str(converted[index]), False)
