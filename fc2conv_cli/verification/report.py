"""The record of a verification."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from fc2conv_cli.verification.cost import Cost
from fc2conv_cli.verification.inputs import Array, Sizes
from fc2conv_cli.verification.layer_report import LayersReport
from fc2conv_cli.verification.measures import Measures
from fc2conv_cli.verification.metrics import NOISE_FACTOR, Deviation, Tolerance

Verdict = Literal["same", "different", "ill-conditioned"]
"""Within tolerance; outside of it; outside of it, but no farther than the model's own rounding noise explains."""


WITHIN_ATOL = "all values are within atol"


def within_atol(largest: float, atol: float) -> str:
    """That an absolute tolerance lets anything pass, if it does: the largest value of the reference tells."""
    if not 0 < largest <= atol:
        return ""
    return f"{WITHIN_ATOL} ({largest:.3g}), so this shows little: give a smaller --atol"


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
        measures: Further figures over all runs; None if nothing was compared, or it is no tensor of numbers.
        noise: How much the original moves by itself when every float input moves by one unit in the last place; None if
            that was not measured.
        excess: The deviation as a multiple of the noise of the same run: the largest of the runs outside tolerance, or
            if there are none of all runs in which noise was measured; None if it was not. It is infinite where noise
            excuses nothing. What is shown of it is what the verdict goes by.
        compared: Whether a finite value of it was compared in any run; if not, that nothing differs shows nothing.
        largest: The largest magnitude in the original, of all runs; None if that is not known.
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
    measures: Measures | None = None
    noise: float | None = None
    excess: float | None = None
    compared: bool = True
    largest: float | None = None

    @property
    def passed(self) -> bool:
        """Whether every run was within tolerance and the interface is the same."""
        return self.verdict == "same"

    @property
    def verdict(self) -> Verdict:
        """What came of it."""
        if not self.failures and (self.worst is None or self.worst.passed):
            return "same"
        noisy = not self.failures and 0 < (self.excess or math.inf) <= NOISE_FACTOR
        return "ill-conditioned" if noisy else "different"

    @property
    def delta(self) -> float:
        """The difference that the gate goes by: the largest, or with elementwise tolerances that of the worst one."""
        if self.worst is None:
            return 0.0
        ours, theirs = self.worst.reference, self.worst.converted
        if self.tolerance.elementwise and isinstance(ours, float) and isinstance(theirs, float):
            there = abs(ours - theirs)
            return there if math.isfinite(there) else self.worst.max_abs
        return self.worst.max_abs

    @property
    def relative(self) -> float:
        """The same over the largest magnitude of the reference."""
        largest = 0.0 if self.worst is None else self.worst.max_reference
        return self.delta / largest if largest else math.inf if self.delta else 0.0

    @property
    def hidden(self) -> bool:
        """Whether it has values, and not one of them is a number: other outputs say nothing of it."""
        return not self.compared and any(found.nans or found.infinities for found in self.extremes)

    @property
    def allowed(self) -> float:
        """What the gate allows: for the largest element, or with elementwise tolerances at the worst one."""
        if self.worst is None:
            return self.tolerance.atol
        at = self.worst.reference
        size = abs(at) if self.tolerance.elementwise and isinstance(at, float) else self.worst.max_reference
        return self.tolerance.at(size)


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
        data: Where the inputs come from; None if they are random.
        accepts_ill_conditioned: Whether an ill-conditioned output is let pass.
        original_cost: What the original cost to run; None if it was not measured.
        converted_cost: What the converted model cost to run.
        export: For a PyTorch model: the comparison of its plain export with PyTorch itself, on the same inputs.
        quantized: Whether the original rounds to integers: what differs is compared in another engine too.
        farthest: The inputs on which each output that does not agree is farthest off; a saved report has none.
        per_layer: The comparison layer by layer, if it was asked for; it does not change the verdict.
        seconds: How long each stage took, as in `ConversionReport`; a comparison within another report has none.
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
    data: Path | None = None
    accepts_ill_conditioned: bool = False
    original_cost: Cost | None = field(default=None, compare=False)
    converted_cost: Cost | None = field(default=None, compare=False)
    per_layer: LayersReport | None = None
    quantized: bool = False
    farthest: tuple[Mapping[str, Array], ...] = field(default=(), compare=False, repr=False)
    seconds: Mapping[str, float] = field(default_factory=dict, compare=False)

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
        return not self.failures and all(map(self.lets_pass, self.outputs))

    def lets_pass(self, output: OutputReport) -> bool:
        """Whether an output is the same, or may be ill-conditioned."""
        return output.passed or (self.accepts_ill_conditioned and output.verdict == "ill-conditioned")

    @property
    def holds(self) -> bool:
        """Whether nothing speaks against the converted model: every step agrees, if only because it shows nothing."""
        return self.agrees and (self.export is None or self.export.holds)

    @property
    def passed(self) -> bool:
        """Whether the converted model may stand in for the original: every step agrees, and something was compared."""
        shown = not self.outputs or any(output.compared for output in self.outputs)
        return self.holds and shown and not any(output.hidden for output in self.outputs)
