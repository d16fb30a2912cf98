from __future__ import annotations

from pathlib import Path

import pytest

from fc2conv_cli.errors import UsageError
from fc2conv_cli.verification.extremes import worst_of
from fc2conv_cli.verification.judgement import Judgement
from fc2conv_cli.verification.metrics import Deviation, Tolerance
from fc2conv_cli.verification.rejudge import rejudge
from fc2conv_cli.verification.report import OutputReport, VerifyReport

GATE = Tolerance(1e-5, 1e-5)


def output(name: str, dtype: str = "float32", *runs: tuple[float, float], **more: object) -> OutputReport:
    extremes = tuple(Deviation(delta, reference, (0,), 0.0, delta, False) for delta, reference in runs)
    gate = GATE if "float" in dtype else Tolerance(0.0, 0.0)
    return OutputReport(name, dtype, (2,), gate, worst_of(extremes, gate), 0.0, extremes=extremes, **more)  # type: ignore[arg-type]


def report(*outputs: OutputReport, **more: object) -> VerifyReport:
    return VerifyReport(Path("a.onnx"), Path("b.onnx"), 0, 1, (), 2, outputs, **more)  # type: ignore[arg-type]


def test_every_run_counts_and_not_the_worst_of_then_only() -> None:
    found = report(output("y", "float32", (0.1, 1.0), (1.0, 1000.0)))
    assert not found.passed
    assert rejudge(found, Judgement(rtol=0.2)).passed
    assert not rejudge(found, Judgement(atol=0.5, rtol=1e-5)).passed  # the run with the large reference is over atol alone
    assert rejudge(found, Judgement(atol=0.99, rtol=1e-5)).passed
    worst = rejudge(found, Judgement(atol=0.5, rtol=1e-5)).outputs[0].worst
    assert worst is not None
    assert worst.max_abs == 1.0


def test_integers_and_faults_of_the_interface_stay() -> None:
    found = report(output("y", "float32", (0.1, 1.0)), output("i", "int64", (1.0, 9.0)))
    again = rejudge(found, Judgement(atol=5.0))
    assert [o.passed for o in again.outputs] == [True, False]
    assert "'i' as before, whatever the tolerance" in again.notes[0]
    assert not rejudge(report(output("y", "float32", (0.0, 1.0), failures=("is float64",))), Judgement(atol=5.0)).passed
    assert not rejudge(report(output("y", "float32", (0.0, 1.0)), failures=("more inputs",)), Judgement(atol=5.0)).passed
    assert not rejudge(report(output("y", "float32", (float("inf"), 1.0))), Judgement(atol=1e300, rtol=1e300)).passed


def test_the_step_before_is_judged_too() -> None:
    export = report(output("y", "float32", (0.1, 1.0)))
    found = report(output("y", "float32", (0.0, 1.0)), export=export)
    assert not found.passed
    assert rejudge(found, Judgement(rtol=0.2)).passed


def test_what_another_engine_might_say_is_noted() -> None:
    found = report(output("y", "float32", (1e-6, 1.0)))
    assert any("reference evaluator" in note for note in rejudge(found, Judgement(atol=0.0, rtol=0.0)).notes)
    assert not any("reference evaluator" in note for note in rejudge(found, Judgement(atol=1.0, rtol=0.0)).notes)


def test_what_cannot_be_judged_is_refused() -> None:
    with pytest.raises(UsageError, match="no tolerance changes this report") as caught:
        rejudge(report(output("i", "int64", (1.0, 9.0)), output("never", "float32")), Judgement(atol=1.0))
    assert "Integers and strings must be equal" in caught.value.hint
    with pytest.raises(UsageError, match="rtol is inf"):
        rejudge(report(output("y", "float32", (0.1, 1.0))), Judgement(rtol=float("inf")))
