"""Values that jump: integers of floats (ArgMax, TopK, Round, Cast), rounded floats, and floats where sums overflow.

How far an output moves when the inputs do says little of them: most elements stay where they are, and one that is
nearly a tie jumps. So the original is asked at the very places where the converted model differs: whether it jumps
there itself when its inputs move by a little, and as far. If it does so at every such place, the model is
ill-conditioned there; one place that no movement explains is a difference. Where indices stand for scores that are
equal, no movement parts them (`choices.py`), and these places count as explained.

How much is a little: the noise of other outputs is the largest movement of all elements, about four times that of a
typical one, and a deviation may be four times the noise. Here each element is asked on its own, so that inputs may move
by up to four times four units in the last place, which is a millionth of float32.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from fc2conv_cli.verification.fills import magnitudes
from fc2conv_cli.verification.metrics import NOISE_FACTOR, Tolerance
from fc2conv_cli.verification.noise import moved
from fc2conv_cli.verification.runner import Model, RunError

Array = npt.NDArray[np.generic]
Mask = npt.NDArray[np.bool_]

_TYPICAL = 4
"""Units in the last place that inputs move by, for a typical element to move by as much as the noise floor."""
_MOST = int(NOISE_FACTOR) * _TYPICAL
_STEPS = (_TYPICAL, 2 * _TYPICAL, _MOST)
_LAST_STEPS = (_MOST,) * 4
_NEARLY_ALL = 0.9
"""So large a share of places is no fault: more movements are tried for the others."""
_DRAWS = 8
"""Directions for each of them: a tie that is nearly exact falls to either side in half of them."""
_FIRST_DRAWS = 6
"""If so many movements by the most units explain no place at all, it is a fault, and asking on would only take time."""


@dataclass
class Tie:
    """An output that jumps.

    Attributes:
        reference: What the original gives.
        converted: What the converted model gives.
        places: Where that is too far away.
        slack: How far a number may be from those that the original gives; None if it has to be one of them, since what
            lies between two indices of largest elements is no nearer to them.
        chosen_as_well: Number of other places, where what the converted model chose is as good but for noise.
        worst_choice: How much worse it is at the worst of those, in multiples of the noise.
        explained: Of those places: where the original does the same when its inputs move.
    """

    reference: Array
    converted: Array
    places: Mask
    slack: float | None
    chosen_as_well: int = 0
    worst_choice: float = 0.0
    explained: Mask = field(init=False)
    _low: Array = field(init=False)
    _high: Array = field(init=False)
    _at_ends: npt.NDArray[np.int64] = field(init=False)
    _draws: int = 0
    _jumps: Mask = field(init=False)
    _chosen: Array = field(init=False)

    def __post_init__(self) -> None:
        """Nothing is explained yet."""
        self._low = self._high = self._chosen = self.reference[self.places]
        self._at_ends = np.zeros(self._low.shape, np.int64)
        self.explained, self._jumps = np.zeros(self._low.shape, bool), np.zeros(self._low.shape, bool)

    def add(self, again: Array) -> None:
        """Take in what the original gives for moved inputs."""
        if again.shape != self.reference.shape:
            return
        ours, theirs = again[self.places], self.converted[self.places]
        if self.slack is None:
            self._jumps |= np.asarray(ours != self.reference[self.places])
            self._chosen = np.union1d(self._chosen, ours[self._jumps])
            self.explained = self._jumps & np.isin(theirs, self._chosen)
            return
        self._widen(ours)
        low, high, value = (np.asarray(a, np.float64) for a in (self._low, self._high, theirs))
        self.explained = (low - self.slack <= value) & (value <= high + self.slack)
        if "float" in self.reference.dtype.name:
            # One that jumps is at one of two values; others move smoothly, and noise is their measure.
            overflow = np.isinf(value) | np.isinf(np.asarray(self.reference[self.places], np.float64))
            self.explained &= overflow | (2 * self._at_ends >= self._draws)

    def _widen(self, ours: Array) -> None:
        self._draws += 1
        moved_ends = np.less(ours, self._low) | np.greater(ours, self._high)
        self._at_ends = np.where(moved_ends, np.where(self._low == self._high, self._draws, 1), self._at_ends)
        self._at_ends += ~moved_ends & np.asarray((ours == self._low) | (ours == self._high))
        self._low, self._high = np.asarray(np.minimum(self._low, ours)), np.asarray(np.maximum(self._high, ours))

    def settled(self, times_noise: npt.NDArray[np.float64]) -> Tie:
        """The same without the places where what was chosen is as good, but for noise.

        Args:
            times_noise: How much worse it is at each place, in multiples of the noise.
        """
        excused = self.places & (times_noise <= NOISE_FACTOR)
        worst = max(self.worst_choice, float(times_noise[excused].max(initial=0.0)))
        chosen = self.chosen_as_well + int(excused.sum())
        return Tie(self.reference, self.converted, self.places & ~excused, self.slack, chosen, worst)

    def fresh(self) -> Tie:
        """The same, with nothing explained."""
        return Tie(self.reference, self.converted, self.places, self.slack, self.chosen_as_well, self.worst_choice)

    @property
    def excuses_nothing(self) -> bool:
        """Whether numbers move by as much as the largest of them: then any number would be explained."""
        if self.slack is None:
            return False
        low, high = np.asarray(self._low, np.float64), np.asarray(self._high, np.float64)
        span = np.where(np.isfinite(low) & np.isfinite(high), high - low, 0.0)
        largest = magnitudes(self.reference, self.converted).max(initial=0.0)
        least = 1.0 if self.reference.dtype.kind in "iu" else 0.0  # a step of an integer is never too much
        return bool(span.max(initial=0.0) > max(least, largest))


def tie_of(reference: Array, converted: Array, tolerance: Tolerance, *, ordinal: bool) -> Tie | None:
    """The places that are outside of tolerance, if all of them may be ties.

    Args:
        reference: What the original gives.
        converted: What the converted model gives.
        tolerance: How far that may be.
        ordinal: Whether integers are numbers, and no indices of what was chosen.
    """
    if reference.dtype.kind in "iub":
        places = np.asarray(reference != converted)
        return Tie(reference, converted, places, 0.0 if ordinal and reference.dtype.kind != "b" else None)
    ours, theirs = (np.asarray(array, np.float64) for array in (reference, converted))
    allowed = tolerance.allowed(magnitudes(reference, converted))
    jumped, unequal = overflows(reference, converted), ~((ours == theirs) | (np.isnan(ours) & np.isnan(theirs)))
    if (unequal & ~jumped & ~(np.isfinite(ours) & np.isfinite(theirs))).any():
        return None  # NaN, or infinities of unlike sign
    places = jumped | (unequal & (np.abs(ours - theirs) > allowed))
    return Tie(reference, converted, places, float(allowed.min(initial=0.0)))


def overflows(reference: Array, converted: Array) -> Mask:
    """Where one of two arrays of floats is infinite, and the other a number of the same sign."""
    ours, theirs = (np.asarray(array, np.float64) for array in (reference, converted))
    known = ~(np.isnan(ours) | np.isnan(theirs))
    return np.asarray(known & (np.isinf(ours) != np.isinf(theirs)) & (np.sign(ours) == np.sign(theirs)))


def steps_that_explain(model: Model, feeds: Mapping[str, Array], ties: Mapping[str, Tie]) -> dict[str, float]:
    """By output: the multiple of the noise that it takes for every place to be explained.

    Args:
        model: The original.
        feeds: Its inputs.
        ties: By output.

    Returns:
        Infinite where some place is not explained, or the model refuses moved inputs.
    """
    found = {name: math.inf if tie.places.any() else max(tie.worst_choice, 1.0) for name, tie in ties.items()}
    left = {name: tie for name, tie in ties.items() if tie.places.any()}
    for _, again in _moved_runs(model, feeds, (_MOST,), _FIRST_DRAWS) if left else ():
        for name, tie in left.items():
            tie.add(again[name])
    left = {name: tie.fresh() for name, tie in left.items() if tie.explained.any()}
    found.update(_explained(model, feeds, left, _STEPS))
    left = {name: tie for name, tie in left.items() if _NEARLY_ALL <= tie.explained.mean() < 1}
    found.update(_explained(model, feeds, left, _LAST_STEPS, seed=len(_STEPS)))
    return found


def _explained(
    model: Model, feeds: Mapping[str, Array], ties: Mapping[str, Tie], strengths: tuple[int, ...], seed: int = 0
) -> dict[str, float]:
    """The multiple of the noise, by output, of those where every place is explained."""
    left, found = dict(ties), {}
    for steps, again in _moved_runs(model, feeds, strengths, _DRAWS, seed) if left else ():
        for name, tie in left.items():
            tie.add(again[name])
            if tie.explained.all():
                found[name] = math.inf if tie.excuses_nothing else max(steps / _TYPICAL, tie.worst_choice)
        left = {name: tie for name, tie in left.items() if not tie.explained.all()}
        if not left:
            break
    return found


def _moved_runs(
    model: Model, feeds: Mapping[str, Array], strengths: tuple[int, ...], draws: int, seed: int = 0
) -> Iterator[tuple[int, Mapping[str, Array]]]:
    """What the original gives for inputs that moved, as long as it takes them."""
    for number, steps in enumerate(strengths, seed):
        for draw in range(draws):
            other = moved(feeds, number * draws + draw, steps)
            if other is None:
                return
            try:
                yield steps, model.run(other)
            except RunError:
                return
