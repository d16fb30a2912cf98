"""What a comparison gathers of one output, from run to run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fc2conv_cli.verification.changes import Changes
from fc2conv_cli.verification.extremes import kept, least_rtol, worst_of
from fc2conv_cli.verification.measures import Sums
from fc2conv_cli.verification.metrics import (
    MORE_THAN_ROUNDING,
    NOISE_FACTOR,
    Deviation,
    Tolerance,
    compare,
    tolerance_for,
)
from fc2conv_cli.verification.noise import Movements, noise_floor, times_noise
from fc2conv_cli.verification.report import WITHIN_ATOL, OutputReport, within_atol
from fc2conv_cli.verification.runner import Port
from fc2conv_cli.verification.saturation import Saturation
from fc2conv_cli.verification.settings import OutputTolerance
from fc2conv_cli.verification.small_values import SmallValues
from fc2conv_cli.verification.ties import Tie, overflows, tie_of

Array = npt.NDArray[np.generic]

_FEW_VALUES = 2
"""An integer output that takes no more is saturated, or nearly: it hides what happens before."""


_LOOSE = 1000
"""A tolerance of more than so many times the noise is that of fill values, as of masked scores."""


_ADVICE = "; give inputs like those in use (--inputs); fc2conv verify --per-layer compares each layer"
"""What to do about an output whose values show little."""


class Compared(NamedTuple):
    """What one run came to: if a difference is outside tolerance, if nothing is amiss, and the rtol it would need."""

    outside: bool = False
    agrees: bool = True
    rtol: float = 0.0


@dataclass
class Gathered:
    """What is known of one output so far.

    Attributes:
        port: The output as the original declares it.
        wanted: The tolerance that the user wants for it.
        elementwise: Whether each element is held to it.
        coarsest_float: The coarsest float type that it is computed in.
        ordinal: Whether its integers are numbers, and no indices of something that was chosen.
    """

    port: Port
    wanted: OutputTolerance
    elementwise: bool
    coarsest_float: str
    ordinal: bool = True
    extremes: tuple[Deviation, ...] = ()
    tolerance: Tolerance | None = None
    dtype: str = ""
    failures: list[str] = field(default_factory=list)
    nans: float = 0.0
    infinities: float = 0.0
    finite: bool = False
    largest: float = 0.0
    integers: set[int] = field(default_factory=set)
    elements: int = 0
    changes: Changes = field(default_factory=Changes)
    sums: Sums = field(default_factory=Sums)
    saturation: Saturation = field(default_factory=Saturation)
    small: SmallValues = field(default_factory=SmallValues)
    noise: float | None = None
    movable: bool = False
    inside: float | None = None
    outside: float | None = None
    chosen_as_well: int = 0
    overflows: int = 0
    finite_there: float = 0.0
    farthest: tuple[float, Mapping[str, Array]] | None = None
    shapes: set[tuple[int, ...]] = field(default_factory=set)
    said: list[str] = field(default_factory=list)

    @property
    def worst(self) -> Deviation | None:
        """The run that came closest to the gate, or went farthest past it."""
        return None if self.tolerance is None else worst_of(self.extremes, self.tolerance)

    @property
    def rtol_to_pass(self) -> float:
        """The least rtol with which all runs would have passed."""
        return 0.0 if self.tolerance is None else least_rtol(self.extremes, self.tolerance.atol)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be said of it."""
        odd = (("NaN", self.nans), ("the same infinity", self.infinities))
        notes = [f"{what} in both models at {_percent(share)} of the places" for what, share in odd if share]
        if self.dtype in ("float32", "float64") and self.coarsest_float not in (self.dtype, "float64"):
            notes.append(f"held to what {self.coarsest_float} is worth, since the model computes in that above it")
        if self.chosen_as_well:
            notes.append(
                f"chooses another of what the original ties on, but for noise, at {self.chosen_as_well} places"
            )
        if self.overflows:
            notes.append(
                f"infinite in one model only, where the other has up to {self.finite_there:.3g}, at {self.overflows} "
                f"places: sums overflow {self.dtype} in one order and not in another; give smaller inputs (--range, "
                "--inputs)"
            )
        if self.outside is not None and not self.movable:
            notes.append("its noise is not known: no float goes in, the original refuses moved ones, or it is random")
        little = self._note_little()
        if little is not None and not little.startswith(WITHIN_ATOL):  # that one says itself what to do
            little += _ADVICE
        # What the tolerance let pass in some runs is no news where it did not in others.
        loose = (self._note_loose() or self.small.note) if self.outside is None else None
        more = (little, loose)
        return (*self.said, *notes, *(note for note in more if note is not None))

    def _note_little(self) -> str | None:
        """Why its values show little, whatever the two models make of them."""
        if self.worst is None or self.tolerance is None:
            return None
        if not self.finite:
            return "no finite value was compared, so this shows nothing"
        if self.elements and self.largest == 0 and self.sums.count and not self.sums.ours:
            return "all values are 0, so this shows nothing"
        if self.elements > 2 and 0 < len(self.integers) <= _FEW_VALUES:
            listed = " or ".join(map(str, sorted(self.integers)))
            return f"every value of every run is {listed}, so this shows little"
        if little := within_atol(self.largest, self.tolerance.atol):
            return little
        idle = self.changes.note(self.tolerance.atol, self.tolerance.rtol)
        return idle or (self.saturation.note if self.changes.repeated else None)

    def _note_loose(self) -> str | None:
        """A tolerance that large values make so wide that a fault of the others fits in."""
        times = self.inside or 0.0
        if self.tolerance is None or self.worst is None or not self.noise or times <= NOISE_FACTOR:
            return None
        if not self.elementwise and self.tolerance.at(self.largest) > _LOOSE * self.noise:
            ref = self.worst.max_reference  # of the run that is shown: what is said agrees with what is shown
            return (
                f"differs by {times:.2g} times its noise, and passes only since a value of {ref:.3g} makes the "
                f"tolerance {self.tolerance.at(ref):.3g}, so this shows little: --elementwise holds each value to its "
                "own, fc2conv verify --per-layer compares each layer"
            )
        if not MORE_THAN_ROUNDING < times < math.inf:
            return None
        return (
            f"differs by {times:.2g} times its noise, which rounding in another order hardly does, though by no more "
            "than the tolerance: fc2conv verify --per-layer compares each layer, --elementwise each value to its own"
        )

    def add(self, reference: Any, converted: Any, where: str, inputs: bytes = b"") -> Compared:
        """Take in one run, on inputs of that digest."""
        expected, actual = dict(_leaves(reference)), dict(_leaves(converted))
        self.changes.add(expected, inputs)
        if expected.keys() != actual.keys():
            return self._fail(f"has {len(actual)} elements, was {len(expected)}{where}")
        found = Compared()
        for place, ours in expected.items():
            theirs = actual[place]
            if ours.dtype != theirs.dtype:
                found = self._fail(f"is {theirs.dtype}, was {ours.dtype}{where}")
            elif ours.shape != theirs.shape:
                found = self._fail(f"has shape {list(theirs.shape)}, was {list(ours.shape)}{where}")
            elif not (run := self._measure(ours, theirs)).passed and self.tolerance is not None:
                found = Compared(True, False, max(found.rtol, run.rtol_to_pass(self.tolerance.atol)))
        return found

    def keep(self, feeds: Mapping[str, Array], found: Compared) -> None:
        """Keep the inputs of a run that does not agree, if none was farther off before."""
        if not found.agrees and (self.farthest is None or found.rtol > self.farthest[0]):
            self.farthest = found.rtol, feeds

    def tie(self, reference: Any, converted: Any) -> Tie | None:
        """What may have jumped in a run that is outside tolerance; None if it cannot, or the verdict is settled."""
        if self.tolerance is None or (self.outside or 0.0) > NOISE_FACTOR:
            return None
        if not _are_numbers(reference, converted):
            return None
        return tie_of(reference, converted, self.tolerance, ordinal=self.ordinal)

    def add_noise(self, noise: Movements, found: Compared, values: tuple[Any, Any], steps: float | None) -> None:
        """Take in how much the original moves by itself in a run.

        Args:
            noise: Of each element of each output, if it was measured.
            found: What the run came to.
            values: What the original and the converted model gave.
            steps: What explains the places that jumped; None if none did.
        """
        self.movable, movement = self.movable or noise is not None, (noise or {}).get(self.port.name)
        if (floor := noise_floor(movement)) is not None:
            self.noise = max(self.noise or 0.0, floor)
        if self.tolerance is None or not _are_numbers(*values):
            times = math.inf if found.outside else None
        else:
            times = times_noise(*values, movement, self.tolerance)
            if found.outside:
                times = self._unexplained(values, times, steps)
                self.movable = self.movable or math.isfinite(times)
        if found.outside:
            self.outside = max(self.outside or 0.0, math.inf if times is None else times)
        elif times is not None:
            self.inside = max(self.inside or 0.0, times)

    def _unexplained(self, values: tuple[Array, Array], times: float | None, steps: float | None) -> float:
        """How many times the noise a run is beyond tolerance, with what jumped in it."""
        self._note_overflow(values, overflows(*values))
        ours, theirs = (value.astype(np.float64) for value in values)
        unlike = (ours != theirs) & ~(np.isnan(ours) & np.isnan(theirs)) & ~np.isfinite(ours - theirs)
        least = math.inf if times is None or unlike.any() else times
        return least if least <= NOISE_FACTOR or steps is None else min(least, steps)

    def _note_overflow(self, values: tuple[Array, Array], jumped: npt.NDArray[np.bool_]) -> None:
        if jumped.any():
            self.overflows += int(jumped.sum())
            there = np.abs(np.stack([value[jumped].astype(np.float64) for value in values]))
            self.finite_there = max(self.finite_there, float(there[np.isfinite(there)].max()))

    @property
    def excess(self) -> float | None:
        """The deviation as a multiple of the noise: of the runs outside tolerance, or if there are none of all."""
        if not self.movable:
            return None
        return self.inside if self.outside is None else self.outside

    @property
    def report(self) -> OutputReport:
        """All of it."""
        return OutputReport(
            self.port.name,
            self.dtype or self.port.dtype or self.port.type,
            self.port.shape,
            self.tolerance or self.tolerance_for(self.port.dtype or ""),
            self.worst,
            self.rtol_to_pass,
            tuple(self.failures),
            self.notes,
            self.extremes,
            self.sums.measures,
            self.noise,
            self.excess,
            self.finite,
            self.largest if self.tolerance is not None else None,
        )

    def tolerance_for(self, dtype: str) -> Tolerance:
        """The gate, for an output of that type."""
        return tolerance_for(dtype, *self.wanted, self.coarsest_float, elementwise=self.elementwise)

    def _measure(self, ours: Array, theirs: Array) -> Deviation:
        self.dtype = str(ours.dtype)
        self.shapes.add(ours.shape)
        self.tolerance = self.tolerance_for(self.dtype)
        deviation = compare(ours, theirs, self.tolerance)
        self.extremes = kept(self.extremes, deviation)
        self.finite = self.finite or bool(np.isfinite(ours).any() if "float" in self.dtype else ours.size)
        self.largest = max(self.largest, deviation.max_reference)
        self.elements += ours.size
        if ours.dtype.kind in "iu" and len(self.integers) <= _FEW_VALUES:
            self.integers.update(np.unique(ours).tolist())
        self.nans, self.infinities = max(self.nans, deviation.nans), max(self.infinities, deviation.infinities)
        if ours.dtype.kind in "iub" or "float" in self.dtype:
            self.sums.add(ours, theirs)
        if ours.dtype.kind in "iu" or "float" in self.dtype:
            self.saturation.add(ours, tolerance_for(self.dtype, coarsest_float=self.coarsest_float))
        if "float" in self.dtype and deviation.passed:
            self.small.add(ours, theirs, self.tolerance)
        return deviation

    def _fail(self, failure: str) -> Compared:
        if failure not in self.failures:
            self.failures.append(failure)
        return Compared(agrees=False, rtol=math.inf)


def _percent(share: float) -> str:
    return "100 %" if share == 1 else f"up to {100 * share:.3g} %"


def _are_numbers(*values: Any) -> bool:
    """Whether these are tensors of numbers, of one shape."""
    arrays = [value for value in values if isinstance(value, np.ndarray)]
    return (
        len(arrays) == len(values)
        and len({a.shape for a in arrays}) == 1
        and all(a.dtype.kind in "iub" or "float" in a.dtype.name for a in arrays)
    )


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Array]]:
    """The tensors of an output, each with its place in the sequences and maps around it."""
    if isinstance(value, list):
        for i, item in enumerate(value):
            yield from _leaves(item, f"{path}[{i}]")
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{path}[{key!r}]")
    else:
        yield path, np.asarray(value)
