"""The record of a verification."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from fc2conv_cli.verification.inputs import Sizes
from fc2conv_cli.verification.metrics import Deviation, Tolerance


@dataclass(frozen=True)
class OutputReport:
    """One output, over all runs.

    Attributes:
        name: Its name in the original.
        dtype: Its element type.
        shape: Its shape as the original declares it; None if it does not.
        tolerance: The gate that applied.
        worst: The deviation of the run that came closest to the gate or went farthest past it; None if it never ran.
        rtol_to_pass: The least rtol with which all runs would have passed.
        failures: Faults of its interface (missing, retyped, reshaped), in words.
        notes: What else is to be said.
        extremes: The runs that can be the worst under some tolerance (`fc2conv_cli.verification.extremes`), so that
            other tolerances can be judged without running anything again.
    """

    name: str
    dtype: str
    shape: tuple[int | str | None, ...] | None
    tolerance: Tolerance
    worst: Deviation | None
    rtol_to_pass: float
    failures: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    extremes: tuple[Deviation, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every run was within tolerance and the interface is the same."""
        return not self.failures and (self.worst is None or self.worst.passed)


@dataclass(frozen=True)
class VerifyReport:
    """A comparison of a converted model with its original. A mismatch is a result, not an exception.

    Attributes:
        original: File of the original.
        converted: File of the converted model.
        seed: Seed of the inputs.
        samples: Number of input sets for each choice of sizes.
        cases: The sizes of the dynamic dims that both models ran at.
        runs: Number of runs that were compared.
        outputs: One report for each output of the original.
        failures: What is wrong with the converted model as a whole, in words.
        notes: What else is to be said.
        engine: What ran the models.
        export: For a PyTorch model: the comparison of its plain export with PyTorch itself, on the same inputs.
    """

    original: Path
    converted: Path
    seed: int
    samples: int
    cases: tuple[Sizes, ...]
    runs: int
    outputs: tuple[OutputReport, ...]
    failures: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    engine: str = "onnxruntime"
    export: VerifyReport | None = None

    def __str__(self) -> str:
        """The report as the command line prints it."""
        from fc2conv_cli.reports.console import render  # it imports this module

        return render(self, width=None, color=False, verbose=False)

    @property
    def rtol_to_pass(self) -> float | None:
        """The least rtol with which all outputs would pass; None if they do already, or if no rtol helps."""
        if self.agrees or self.failures or any(o.failures for o in self.outputs):
            return None
        if any(not o.passed and "float" not in o.dtype for o in self.outputs):
            return None  # integers must be equal, whatever the tolerance
        rtol = max(o.rtol_to_pass for o in self.outputs)
        return rtol if math.isfinite(rtol) else None

    @property
    def agrees(self) -> bool:
        """Whether these two models agree, whatever came of the export before."""
        return not self.failures and all(o.passed for o in self.outputs)

    @property
    def passed(self) -> bool:
        """Whether the converted model may stand in for the original: every step agrees."""
        return self.agrees and (self.export is None or self.export.passed)
