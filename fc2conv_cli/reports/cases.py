"""A report as a list of cases, each of which passed, failed or was passed over: what pipelines understand."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from fc2conv_cli.pipeline.records import ConversionReport, InspectionReport
from fc2conv_cli.reports.words import (
    by_layer,
    element,
    figures,
    ill_conditioned,
    is_no_rounding,
    number,
    output_verdict,
    rounded_up,
    verdict,
)
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
        figures: What else was measured, by name; it decides nothing.
        accepted: Whether it passed only because what is ill-conditioned was to be accepted.
    """

    suite: str
    name: str
    outcome: Outcome
    message: str
    details: tuple[str, ...] = ()
    figures: Mapping[str, str] = field(default_factory=dict)
    accepted: bool = False


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
        return f"{report.converted} against {report.original}: {verdict(report)}"
    plan = summarise(report.plan)
    status = "" if isinstance(report, InspectionReport) else f": {_became(report)}"
    return f"{report.model}: {plan.found} fully connected, {len(plan.layers)} to convolutions{status}"


def passed(report: Report) -> bool:
    """Whether a report is good; an inspection always is."""
    return isinstance(report, InspectionReport) or report.passed


def _conversion(report: ConversionReport) -> Case:
    outcome: Outcome = "passed" if report.passed else "failed"
    return Case("conversion", str(report.model), outcome, _became(report), report.notes)


def _became(report: ConversionReport) -> str:
    """What became of a conversion, in one line."""
    if report.output is not None:
        return f"{report.status}: {report.output}"
    agrees = report.verification is not None and report.verification.agrees
    different = "the export does not agree with PyTorch" if agrees else "the result does not agree with the original"
    said = {
        "different": f"DIFFERENT, {different}; nothing written",
        "layers left": "a layer would be left (--strict); nothing written",
        "planned": "dry run, nothing written",
    }
    return said.get(report.status, report.status)


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
    shows_nothing = report.holds and not report.passed
    if report.export is not None:
        yield from _comparison(report.export, "export", shows_nothing)
    yield from _comparison(report, "outputs", shows_nothing)


def comparisons(report: Report) -> dict[str, VerifyReport]:
    """The comparisons in a report, by the suite that their cases are in."""
    last = report if isinstance(report, VerifyReport) else None
    if isinstance(report, ConversionReport):
        last = report.verification
    if last is None:
        return {}
    return {"outputs": last} if last.export is None else {"export": last.export, "outputs": last}


def _comparison(report: VerifyReport, suite: str, shows_nothing: bool) -> Iterator[Case]:
    """The cases of one step; where the whole shows nothing, what was not compared is what failed."""
    for failure in report.failures:
        yield Case(suite, "the model as a whole", "failed", failure, by_layer(report))
    for output in report.outputs:
        accepted = output.verdict == "ill-conditioned" and report.accepts_ill_conditioned
        details, outcome = _details(report, output), _outcome(report, output)
        if outcome == "skipped" and shows_nothing:
            outcome = "failed"
        yield Case(suite, output.name, outcome, _finding(output), details, figures(output), accepted)


def _outcome(report: VerifyReport, output: OutputReport) -> Outcome:
    if not report.lets_pass(output):
        return "failed"
    return "passed" if output_verdict(output) != "not compared" else "skipped"


def _finding(output: OutputReport) -> str:
    if output.failures:
        return f"output {output.name!r} {output.failures[0]}"
    worst, gate = output.worst, output.tolerance
    if worst is None:
        return f"output {output.name!r} was not compared"
    if not output.compared and output.passed:
        return f"output {output.name!r} ({output.dtype}) was not compared: no run had a finite value of it"
    if "float" not in output.dtype:
        return f"output {output.name!r} ({output.dtype}): max |delta| {number(worst.max_abs)}, must be equal"
    what = "|delta|" if gate.elementwise else "max |delta|"
    size = "|ref| there" if gate.elementwise else f"max |ref| {number(worst.max_reference)}"
    verdict = "; ill-conditioned" if output.verdict == "ill-conditioned" else ""
    return (
        f"output {output.name!r} ({output.dtype}): {what} {number(output.delta)}, allowed "
        f"{number(output.allowed)} (atol {number(gate.atol)} + rtol {number(gate.rtol)} * {size}){verdict}"
    )


def _details(report: VerifyReport, output: OutputReport) -> tuple[str, ...]:
    lines = [f"output {output.name!r} {failure}" for failure in output.failures[1:]]
    worst = output.worst
    if worst is not None and worst.index is not None:
        original, converted = element(worst.reference), element(worst.converted)
        lines.append(f"at {list(worst.index)}: original {original}, converted {converted}")
    if said := ill_conditioned(output, accepted=report.accepts_ill_conditioned):
        lines.append(said)
    if not report.lets_pass(output):
        numbers = not output.failures and "float" in output.dtype and math.isfinite(output.rtol_to_pass)
        if numbers and not is_no_rounding(output):
            lines.append(f"rtol needed to pass: {rounded_up(output.rtol_to_pass)}")
        lines += by_layer(report)
    return (*lines, *output.notes)
