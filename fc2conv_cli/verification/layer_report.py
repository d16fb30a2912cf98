"""The record of a comparison layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from fc2conv_cli.verification.metrics import NOISE_FACTOR, Deviation, Tolerance

Basis = Literal["notes", "names", "nothing"]
"""What told which values belong together: fc2conv's notes, equal names, or nothing did."""


@dataclass(frozen=True)
class LayerReport:
    """One layer (or one value, in a file without notes), over all runs.

    Attributes:
        name: The layer; the value without notes.
        spelling: How the original writes it, ``Gemm``; the operator that gives the value without notes.
        becomes: What it is now, ``Conv 4x4``; the operator of the converted model without notes.
        reads: Shape of its input in the original, in the run that deviates most; None if it was not needed.
        writes: Shape of its output there.
        dtype: Type of its output.
        tolerance: What is allowed.
        entire: The deviation when both whole models run on the same input; None if it was not measured.
        single: The deviation when the converted layer runs alone, on the original's own input; None likewise.
        notes: What else is to be said.
        noise: By how much the original's own value moves when every float input moves by one unit in the last place,
            in the run of `entire`; None if no input is a float.
    """

    name: str
    spelling: str
    becomes: str
    reads: tuple[int, ...] | None
    writes: tuple[int, ...] | None
    dtype: str
    tolerance: Tolerance
    entire: Deviation | None
    single: Deviation | None
    notes: tuple[str, ...] = ()
    noise: float | None = None

    @property
    def is_rounding(self) -> bool:
        """Whether the whole model is outside of tolerance here by no more than rounding that has grown on the way."""
        beyond = self.entire is not None and not self.entire.passed
        return beyond and within_noise(self.entire, self.noise)

    @property
    def diverges(self) -> bool:
        """Whether the layer itself is outside of tolerance: alone if that was measured, else in the whole model."""
        return self._entire_differs if self.single is None else not self.single.passed

    @property
    def differs(self) -> bool:
        """Whether any deviation that was measured is outside of tolerance, and more than rounding."""
        return self.diverges or self._entire_differs

    @property
    def _entire_differs(self) -> bool:
        return self.entire is not None and not self.entire.passed and not self.is_rounding

    @property
    def measured(self) -> bool:
        """Whether there is anything to show."""
        return self.entire is not None or self.single is not None


@dataclass(frozen=True)
class LayersReport:
    """All layers of a converted model beside those of its original.

    Attributes:
        basis: What told which values belong together.
        layers: In the order of the original graph.
        runs: Number of inputs that they were compared on.
        engine: What ran the models.
        notes: What else is to be said.
        tells_all: Whether the inputs on which the outputs are farthest off are among them.
    """

    basis: Basis
    layers: tuple[LayerReport, ...]
    runs: int = 0
    engine: str = "onnxruntime"
    notes: tuple[str, ...] = ()
    tells_all: bool = False

    @property
    def first(self) -> LayerReport | None:
        """The first layer that diverges; where each agrees alone, the first whose output differs all the same."""
        return _first([r for r in self.layers if r.diverges]) or _first([r for r in self.layers if r.differs])

    @property
    def agrees(self) -> bool:
        """Whether nothing that was measured is outside of tolerance."""
        return self.first is None


def within_noise(deviation: Deviation | None, noise: float | None) -> bool:
    """Whether a deviation is no more than rounding."""
    return deviation is not None and noise is not None and deviation.max_abs <= NOISE_FACTOR * noise


def _first(layers: Sequence[LayerReport]) -> LayerReport | None:
    return layers[0] if layers else None
