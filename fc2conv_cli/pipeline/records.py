"""What the three commands report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from fc2conv_cli.layout.interface import InterfaceChange
from fc2conv_cli.layout.nodes import LayoutCount
from fc2conv_cli.layout.stretches import Stretch
from fc2conv_cli.records import Plan
from fc2conv_cli.verification.report import VerifyReport

Status = Literal["written", "planned", "nothing to convert", "layers left", "different", "would be written"]


class WeightBytes(NamedTuple):
    """Bytes of weights that were written: as they are in the original, in another order, and computed."""

    copied: int
    rearranged: int
    made: int


@dataclass(frozen=True)
class ConversionReport:
    """What a conversion did.

    Attributes:
        model: The file that was read.
        status: ``written``; ``planned`` (a dry run); ``nothing to convert``; ``layers left`` (refused by strict);
            ``different`` (the result failed verification); ``would be written`` (it failed, but agrees by the
            tolerances that its report was judged with later).
        plan: What was converted, and what was left and why.
        output: The file that was written, or None.
        data: The file beside it that its weights are in, or None.
        failed: The file that failed verification, if it was kept.
        verification: The comparison with the original; None if there was none.
        layout_before: Layout nodes of the original.
        layout_after: Layout nodes of the result; None if none was made.
        stretches: The parts of the graph that stay in 4-D.
        interface: The inputs and outputs that are now 4-D, because that was wished.
        notes: What else is to be said.
        export: The plain ONNX export of a PyTorch model, if it was kept.
        seconds: How long each stage took; import torch and export are there for PyTorch models only, start (of Python)
            and imports where the command ran. They add up to the time until the report was printed.
        written: What was written; None if nothing was.
    """

    model: Path
    status: Status
    plan: Plan
    output: Path | None = None
    data: Path | None = None
    failed: Path | None = None
    verification: VerifyReport | None = None
    layout_before: LayoutCount | None = None
    layout_after: LayoutCount | None = None
    stretches: tuple[Stretch, ...] = ()
    interface: tuple[InterfaceChange, ...] = ()
    notes: tuple[str, ...] = field(default=())
    export: Path | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    written: WeightBytes | None = None

    @property
    def passed(self) -> bool:
        """Whether nothing went against the user's wishes; it says nothing about a comparison that was not made."""
        return self.status not in ("layers left", "different")

    @property
    def verified(self) -> bool:
        """Whether a file was written that was compared with the original and agrees."""
        return self.output is not None and self.verification is not None and self.verification.passed

    def __str__(self) -> str:
        """The report as the command line prints it."""
        return _text(self)


@dataclass(frozen=True)
class InspectionReport:
    """The fully connected layers of a model.

    Attributes:
        model: The file that was read.
        plan: What a conversion would do.
        notes: What else is to be said.
        layout_before: Layout nodes of the model.
        layout_after: Layout nodes that it would have.
        stretches: The parts of the graph that would stay in 4-D.
        interface: The inputs and outputs that would be 4-D, because that was wished.
        seconds: As in `ConversionReport`.
    """

    model: Path
    plan: Plan
    notes: tuple[str, ...] = ()
    layout_before: LayoutCount | None = None
    layout_after: LayoutCount | None = None
    stretches: tuple[Stretch, ...] = ()
    interface: tuple[InterfaceChange, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        """The report as the command line prints it."""
        return _text(self)


def _text(report: ConversionReport | InspectionReport) -> str:
    from fc2conv_cli.reports.console import render  # it imports this module

    return render(report, width=None, color=False, verbose=False)
