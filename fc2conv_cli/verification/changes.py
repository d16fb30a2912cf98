"""Whether an output changes with the inputs at all. If it does not, a comparison of it shows nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from fc2conv_cli.verification.fills import fills

Array = npt.NDArray[Any]
_Shapes = tuple[tuple[str, tuple[int, ...]], ...]


@dataclass
class Changes:
    """How much an output changed from run to run, among the runs that gave it the same shape.

    Attributes:
        first: For each shape: the output of the first run, and what went in.
        largest: The largest difference from it.
        magnitude: The largest value, but for fill values.
        repeated: Whether there were two runs of one shape, on inputs that differ.
    """

    first: dict[_Shapes, tuple[Mapping[str, Array], bytes]] = field(default_factory=dict)
    largest: float = 0.0
    magnitude: float = 0.0
    repeated: bool = False

    def add(self, output: Mapping[str, Array], inputs: bytes) -> None:
        """Take in the output of one run: its tensors, by their place in it, and the digest of what went in."""
        shapes = tuple((place, array.shape) for place, array in output.items())
        first, before = self.first.setdefault(shapes, (output, inputs))
        for place, array in output.items():
            self.magnitude = max(self.magnitude, _largest(array))
            if before != inputs and array.size:
                self.repeated = True
                self.largest = max(self.largest, _difference(first[place], array))

    def note(self, atol: float, rtol: float) -> str | None:
        """What is to be said of it, given the tolerance that the output was compared with."""
        if not self.repeated or self.largest > atol + rtol * self.magnitude:
            return None
        if self.largest == 0:
            return "it does not change with the input, so this shows nothing of what is before it"
        return f"it changes with the input by {self.largest:.3g} at most, which is within tolerance: this shows little"


def digest(feeds: Mapping[str, Array]) -> bytes:
    """What tells inputs apart."""
    found = hashlib.blake2b(digest_size=16)
    for name, array in feeds.items():
        found.update(f"{name}:{array.dtype}:{array.shape}:".encode())
        found.update(repr(array.tolist()).encode() if array.dtype.hasobject else np.ascontiguousarray(array).tobytes())
    return found.digest()


def _largest(array: Array) -> float:
    if array.dtype.kind in "SUO" or not array.size:
        return 0.0
    values = np.abs(array.astype(np.float64))
    finite = values[np.isfinite(values) & ~fills(array)]
    return float(finite.max()) if finite.size else 0.0


def _difference(first: Array, other: Array) -> float:
    """The largest difference; infinite for what is no number, or where only one is finite."""
    if first.dtype.kind in "SUO":
        return 0.0 if bool(np.array_equal(first, other)) else float("inf")
    ours, theirs = first.astype(np.float64), other.astype(np.float64)
    same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    with np.errstate(invalid="ignore", over="ignore"):
        delta = np.where(same, 0.0, np.abs(ours - theirs))
    return float(np.where(np.isnan(delta), np.inf, delta).max())
