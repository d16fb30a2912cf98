"""A report of any kind by other rules."""

from __future__ import annotations

from dataclasses import replace

from fc2conv_cli.errors import UsageError
from fc2conv_cli.pipeline.records import ConversionReport, InspectionReport, Status
from fc2conv_cli.verification.judgement import Judgement
from fc2conv_cli.verification.rejudge import rejudge
from fc2conv_cli.verification.report import VerifyReport

Report = ConversionReport | InspectionReport | VerifyReport


def judge(report: Report, wanted: Judgement) -> Report:
    """The report as its runs come out by other rules; as it is if none is given.

    Raises:
        UsageError: It holds no comparison, or none that a tolerance bears on.
    """
    if not wanted:
        return report
    compared = None if isinstance(report, InspectionReport) else report
    if isinstance(compared, ConversionReport):
        if compared.verification is not None:
            verification = rejudge(compared.verification, wanted)
            return replace(compared, verification=verification, status=_status(compared, verification))
        compared = None
    if compared is None:
        problem = "this report holds no comparison that could be judged again"
        raise UsageError(problem, hint="`fc2conv verify`, and `convert` without --no-verify and --dry-run, make one.")
    return rejudge(compared, wanted)


def _status(report: ConversionReport, verification: VerifyReport) -> Status:
    """What became of the conversion, by the new verdict; what was written stays written."""
    if not verification.passed:
        return "different"
    if report.status != "different":
        return report.status
    if report.output is None:
        return "would be written"
    return "written" if report.plan.layers else "nothing to convert"
