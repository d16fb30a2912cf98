"""Judges a comparison by other tolerances, without running anything."""

from __future__ import annotations

from dataclasses import replace

from fc2conv_cli.errors import UsageError
from fc2conv_cli.verification.each_element import each_element
from fc2conv_cli.verification.extremes import judged, least_rtol, worst_of
from fc2conv_cli.verification.judgement import Judgement
from fc2conv_cli.verification.layer_report import LayerReport, LayersReport
from fc2conv_cli.verification.metrics import Tolerance
from fc2conv_cli.verification.report import WITHIN_ATOL, OutputReport, VerifyReport, within_atol

_AGAIN = "Run fc2conv verify again."


def rejudge(report: VerifyReport, wanted: Judgement) -> VerifyReport:
    """The same runs by other rules: the verdict that a comparison with them would have given in that engine.

    Args:
        report: What was measured.
        wanted: What it is judged by instead.

    Raises:
        UsageError: It names an output that the report does not have, no output has floats, whose tolerance could be
            changed, or what was kept of the runs does not tell.
    """
    outputs = _all_outputs(report)
    names = list(dict.fromkeys(output.name for output in outputs))
    if (strange := next((name for name in wanted.outputs if name not in names), None)) is not None:
        problem = f"--atol or --rtol: the report has no output {strange!r}"
        raise UsageError(problem, hint=f"It has: {', '.join(names) or 'none'}.")
    if wanted.bears_on_tolerances and not any(map(_can, outputs)):
        problem = "no tolerance changes this report: it holds no output of floats that was compared"
        raise UsageError(problem, hint="Integers and strings must be equal, and so must names, types and shapes.")
    return _rejudged(report, wanted)


def _rejudged(report: VerifyReport, wanted: Judgement) -> VerifyReport:
    accepts = wanted.accept_ill_conditioned
    after = replace(
        report,
        outputs=tuple(_output(output, wanted) for output in report.outputs),
        export=None if report.export is None else _rejudged(report.export, wanted),
        per_layer=None if report.per_layer is None else _layers(report.per_layer, wanted),
        accepts_ill_conditioned=report.accepts_ill_conditioned if accepts is None else accepts,
    )
    return replace(after, notes=(*report.notes, *_notes(report, after, wanted)))


def _all_outputs(report: VerifyReport) -> tuple[OutputReport, ...]:
    return report.outputs if report.export is None else (*report.outputs, *report.export.outputs)


def _can(output: OutputReport) -> bool:
    return "float" in output.dtype and bool(output.extremes)


def _output(output: OutputReport, wanted: Judgement) -> OutputReport:
    old, (atol, rtol) = output.tolerance, wanted.tolerances_of(output.name)
    each = old.elementwise if wanted.elementwise is None else wanted.elementwise
    tolerance = Tolerance(old.atol if atol is None else atol, old.rtol if rtol is None else rtol, each)
    if not _can(output) or tolerance == old:
        return output
    judged_by = _as_measured(output, tolerance)
    worst, least = worst_of(judged_by.extremes, tolerance), least_rtol(judged_by.extremes, tolerance.atol)
    again = replace(judged_by, tolerance=tolerance, worst=worst, rtol_to_pass=least)
    notes = [note for note in output.notes if output.largest is None or not note.startswith(WITHIN_ATOL)]
    little = within_atol(output.largest or 0.0, tolerance.atol)
    return replace(again, excess=_excess(output, again), notes=(*notes, *([little] if little else [])))


def _as_measured(output: OutputReport, tolerance: Tolerance) -> OutputReport:
    """The output with what a tolerance needs to know of its runs.

    Raises:
        UsageError: What was kept does not tell.
    """
    old = output.tolerance
    if old.elementwise:
        if tolerance.elementwise and tolerance.atol == old.atol:
            return output
        what = "another atol" if tolerance.elementwise else "the largest element"
        problem = f"output {output.name!r} was held to its tolerance element by element: {what} cannot judge it again"
        raise UsageError(problem, hint=f"{_AGAIN} By another --rtol alone it can be judged.")
    if not tolerance.elementwise:
        return output
    extremes = each_element(output.extremes, tolerance)
    if extremes is None:
        problem = f"--elementwise: what the report keeps of output {output.name!r} does not tell if each element passes"
        hint = (
            f"{_AGAIN} The report tells where no difference is above atol, or where the largest one fails: "
            f"the largest is {max(run.max_abs for run in output.extremes):.3g}."
        )
        raise UsageError(problem, hint=hint)
    return replace(output, extremes=extremes)


def _excess(before: OutputReport, after: OutputReport) -> float | None:
    """What is known of it: noise was measured in the runs that were outside the old tolerance, not in all others."""
    old, new = before.tolerance, after.tolerance
    looser = old.atol <= new.atol and old.rtol <= new.rtol and old.elementwise == new.elementwise
    return before.excess if after.passed or looser else None


def _lost_its_noise(before: OutputReport, after: OutputReport) -> bool:
    """Whether a comparison would have measured what tells ill-conditioned from different here, and this cannot know."""
    return after.verdict == "different" and not after.failures and before.excess is not None and after.excess is None


def _layers(report: LayersReport, wanted: Judgement) -> LayersReport:
    return replace(report, layers=tuple(_layer(row, wanted) for row in report.layers))


def _layer(row: LayerReport, wanted: Judgement) -> LayerReport:
    """A layer by the tolerances for all outputs, and by the run that was its worst one: no other is kept of it."""
    if "float" not in row.dtype or (wanted.atol is None and wanted.rtol is None):
        return row
    old = row.tolerance
    atol, rtol = (old.atol if wanted.atol is None else wanted.atol), (old.rtol if wanted.rtol is None else wanted.rtol)
    new = Tolerance(atol, rtol, old.elementwise)
    entire, single = (None if d is None else judged(d, new) for d in (row.entire, row.single))
    return replace(row, tolerance=new, entire=entire, single=single)


def _notes(before: VerifyReport, after: VerifyReport, wanted: Judgement) -> tuple[str, ...]:
    exact = [output.name for output in before.outputs if not _can(output)] if wanted.bears_on_tolerances else []
    left = f"; {', '.join(map(repr, exact))} as before, whatever the tolerance" if exact else ""
    notes = [f"judged again with {wanted.words}, from the saved report{left}; what is noted of outputs is from its run"]
    if before.per_layer is not None and before.per_layer != after.per_layer:
        notes.append("layers are judged again by one run each, the one that was farthest off by the tolerances before")
    unmeasured = [a.name for b, a in zip(before.outputs, after.outputs, strict=True) if _lost_its_noise(b, a)]
    if unmeasured:
        listed = ", ".join(map(repr, unmeasured))
        otherwise = "`fc2conv verify` with these options may decide otherwise"
        notes.append(f"noise of {listed} was not measured at this tolerance; {otherwise}")
    if before.quantized and before.agrees and not after.agrees and before.engine == "onnxruntime":
        notes.append(
            "the model is quantised: `fc2conv verify` with these options would ask ONNX's reference evaluator as well"
        )
    return tuple(notes)
