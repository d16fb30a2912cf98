"""Judges a comparison by other tolerances, without running anything."""

from __future__ import annotations

from dataclasses import replace

from fc2conv_cli.errors import UsageError
from fc2conv_cli.verification.compare import Settings
from fc2conv_cli.verification.extremes import least_rtol, worst_of
from fc2conv_cli.verification.report import OutputReport, VerifyReport


def rejudge(report: VerifyReport, atol: float | None, rtol: float | None) -> VerifyReport:
    """The same runs under other tolerances: the verdict that a comparison with them would have given in that engine.

    Args:
        report: What was measured.
        atol: The absolute tolerance of floats; None to leave it as it was for each output.
        rtol: The relative tolerance of floats; None to leave it as it was for each output.

    Raises:
        UsageError: A tolerance is no number from 0 up, or no output has floats, whose tolerance could be changed.
    """
    Settings(atol=atol, rtol=rtol)  # refuses what is no tolerance
    if atol is not None and any(output.tolerance.elementwise for output in _all_outputs(report)):
        problem = "atol cannot be judged again, since each element was held to its own tolerance"
        raise UsageError(problem, hint="Run fc2conv verify again, or judge by another rtol alone.")
    if not any(map(_can, _all_outputs(report))):
        problem = "no tolerance changes this report: it holds no output of floats that was compared"
        raise UsageError(problem, hint="Integers and strings must be equal, and so must names, types and shapes.")
    return _rejudged(report, atol, rtol)


def _rejudged(report: VerifyReport, atol: float | None, rtol: float | None) -> VerifyReport:
    export = None if report.export is None else _rejudged(report.export, atol, rtol)
    outputs = tuple(_output(output, atol, rtol) for output in report.outputs)
    after = replace(report, outputs=outputs, export=export)
    return replace(after, notes=(*report.notes, *_notes(report, after, atol, rtol)))


def _all_outputs(report: VerifyReport) -> tuple[OutputReport, ...]:
    return report.outputs if report.export is None else (*report.outputs, *report.export.outputs)


def _can(output: OutputReport) -> bool:
    return "float" in output.dtype and bool(output.extremes)


def _output(output: OutputReport, atol: float | None, rtol: float | None) -> OutputReport:
    if not _can(output):
        return output
    old = output.tolerance
    tolerance = replace(old, atol=old.atol if atol is None else atol, rtol=old.rtol if rtol is None else rtol)
    worst, least = worst_of(output.extremes, tolerance), least_rtol(output.extremes, tolerance.atol)
    judged = replace(output, tolerance=tolerance, worst=worst, rtol_to_pass=least)
    return replace(judged, excess=_excess(output, judged))


def _excess(before: OutputReport, after: OutputReport) -> float | None:
    """What is known of it: noise was measured in the runs that were outside the old tolerance, not in all others."""
    looser = before.tolerance.atol <= after.tolerance.atol and before.tolerance.rtol <= after.tolerance.rtol
    return before.excess if after.passed or looser else None


def _notes(before: VerifyReport, after: VerifyReport, atol: float | None, rtol: float | None) -> tuple[str, ...]:
    given = " and ".join(f"{name} {value:g}" for name, value in (("atol", atol), ("rtol", rtol)) if value is not None)
    exact = [output.name for output in before.outputs if not _can(output)]
    left = f"; {', '.join(map(repr, exact))} as before, whatever the tolerance" if exact else ""
    notes = [f"judged again with {given}, from the saved report{left}; what is noted of outputs is from its run"]
    if before.agrees and not after.agrees and before.engine == "onnxruntime":
        notes.append(
            "of a quantised model, `fc2conv verify` with these tolerances would ask ONNX's reference evaluator as well"
        )
    return tuple(notes)
