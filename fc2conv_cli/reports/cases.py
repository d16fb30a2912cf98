"""A report as a list of cases, each of which passed, failed or was passed over: what pipelines understand."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from fc2conv_cli.pipeline import ConversionReport, InspectionReport
from fc2conv_cli.summary import LayerSummary, SkipSummary, summarise
from fc2conv_cli.verification.report import OutputReport, VerifyReport

Report = ConversionReport | InspectionReport | VerifyReport
Outcome = Literal["passed", "failed", "skipped"]


@dataclass(frozen=True)
class Case:
    """One thing that was looked at.

    Attributes:
        suite: What it belongs to: ``outputs``, ``export``, ``layers`` or ``conversion``.
        name: Name of the output or of the layer.
        outcome: What came of it; ``skipped`` is what nothing was required of.
        message: The finding in one line, with its numbers.
        details: More lines.
    """

    suite: str
    name: str
    outcome: Outcome
    message: str
    details: tuple[str, ...] = ()


def cases(report: Report) -> tuple[Case, ...]:
    """The cases of a report, in the order in which it tells them."""
    if isinstance(report, VerifyReport):
        return tuple(_verification(report))
    layers = tuple(_layers(report))
    if isinstance(report, InspectionReport):
        return layers
    compared = () if report.verification is None else tuple(_verification(report.verification))
    return (*layers, *compared, _conversion(report))


def headline(report: Report) -> str:
    """The report in one line."""
    if isinstance(report, VerifyReport):
        verdict = "the same" if report.passed else "NOTHING COMPARED" if report.holds else "DIFFERENT"
        return f"{report.converted} against {report.original}: {verdict}"
    plan = summarise(report.plan)
    status = "" if isinstance(report, InspectionReport) else f": {report.status}"
    return f"{report.model}: {plan.found} fully connected, {len(plan.layers)} to convolutions{status}"


def passed(report: Report) -> bool:
    """Whether a report is good; an inspection always is."""
    return isinstance(report, InspectionReport) or report.passed


def counted(count: int, thing: str) -> str:
    """``1 run``, ``2 runs``."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def number(value: float) -> str:
    """Three digits."""
    return "0" if value == 0 else f"{value:.3g}"


def element(value: float | str | None) -> str:
    """An element of a tensor."""
    return "" if value is None else value if isinstance(value, str) else f"{value:.7g}"


def _conversion(report: ConversionReport) -> Case:
    said = report.status if report.output is None else f"{report.status}: {report.output}"
    return Case("conversion", str(report.model), "passed" if report.passed else "failed", said, report.notes)


def _layers(report: ConversionReport | InspectionReport) -> Iterator[Case]:
    plan = summarise(report.plan)
    refused = isinstance(report, ConversionReport) and report.status == "layers left"
    yield from map(_converted, plan.layers)
    for skip in plan.staying:
        yield _stays(skip, "failed" if refused and not skip.is_wish else "skipped")


def _converted(layer: LayerSummary) -> Case:
    return Case("layers", layer.name, "passed", f"{layer.spelling} becomes {layer.convolution}")


def _stays(skip: SkipSummary, outcome: Outcome) -> Case:
    return Case("layers", skip.name, outcome, f"{skip.op_type} stays, {skip.code}: {skip.sentence}", (skip.advice,))


def _verification(report: VerifyReport) -> Iterator[Case]:
    if report.export is not None:
        yield from _comparison(report.export, "export")
    yield from _comparison(report, "outputs")


def _comparison(report: VerifyReport, suite: str) -> Iterator[Case]:
    for failure in report.failures:
        yield Case(suite, "the model as a whole", "failed", failure)
    for output in report.outputs:
        yield Case(suite, output.name, _outcome(report, output), _finding(output), _details(output))


def _outcome(report: VerifyReport, output: OutputReport) -> Outcome:
    if not report.lets_pass(output):
        return "failed"
    return "skipped" if output.worst is None else "passed"


def _finding(output: OutputReport) -> str:
    if output.failures:
        return f"output {output.name!r} {output.failures[0]}"
    worst, gate = output.worst, output.tolerance
    if worst is None:
        return f"output {output.name!r} was not compared"
    allowed = output.allowed
    verdict = "; ill-conditioned" if output.verdict == "ill-conditioned" else ""
    return (
        f"output {output.name!r} ({output.dtype}): max |delta| {number(worst.max_abs)}, allowed {number(allowed)} "
        f"(atol {number(gate.atol)} + rtol {number(gate.rtol)} * max |ref| {number(worst.max_reference)}){verdict}"
    )


def _details(output: OutputReport) -> tuple[str, ...]:
    lines = [f"output {output.name!r} {failure}" for failure in output.failures[1:]]
    worst = output.worst
    if worst is not None and worst.index is not None:
        original, converted = element(worst.reference), element(worst.converted)
        lines.append(f"at {list(worst.index)}: original {original}, converted {converted}")
    if not output.passed and not output.failures and "float" in output.dtype and math.isfinite(output.rtol_to_pass):
        lines.append(f"rtol needed to pass: {number(output.rtol_to_pass * 1.001)}")
    return (*lines, *output.notes)
