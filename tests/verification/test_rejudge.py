from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fc2conv_cli.errors import UsageError
from fc2conv_cli.verification.extremes import worst_of
from fc2conv_cli.verification.judgement import Judgement
from fc2conv_cli.verification.layer_report import LayerReport, LayersReport
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
    assert not rejudge(found, Judgement(atol=0.5, rtol=1e-5)).passed
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
    assert not rejudge(
        report(output("y", "float32", (0.0, 1.0)), failures=("more inputs",)), Judgement(atol=5.0)
    ).passed
    assert not rejudge(report(output("y", "float32", (float("inf"), 1.0))), Judgement(atol=1e300, rtol=1e300)).passed


def test_the_step_before_is_judged_too() -> None:
    export = report(output("y", "float32", (0.1, 1.0)))
    found = report(output("y", "float32", (0.0, 1.0)), export=export)
    assert not found.passed
    assert rejudge(found, Judgement(rtol=0.2)).passed


def test_what_another_engine_might_say_is_noted() -> None:
    found = report(output("y", "float32", (1e-6, 1.0)), quantized=True)
    assert any("reference evaluator" in note for note in rejudge(found, Judgement(atol=0.0, rtol=0.0)).notes)
    assert not any("reference evaluator" in note for note in rejudge(found, Judgement(atol=1.0, rtol=0.0)).notes)


def test_of_plain_floats_no_other_engine_is_asked() -> None:
    again = rejudge(report(output("y", "float32", (1e-6, 1.0))), Judgement(atol=0.0, rtol=0.0))
    assert not again.passed
    assert len(again.notes) == 1


def test_where_noise_is_not_known_at_the_new_tolerance_that_is_said() -> None:
    strict, said = Judgement(atol=0.0, rtol=1e-7, accept_ill_conditioned=True), "may decide otherwise"
    inside = rejudge(report(output("y", "float32", (1e-6, 1.0), excess=1.0)), strict)
    assert not inside.passed
    assert any(
        "noise of 'y' was not measured at this tolerance; `fc2conv verify`" in n and said in n for n in inside.notes
    )
    for before, wanted in (
        (output("y", "float32", (1e-6, 1.0)), strict),  # no float goes in: no comparison would know either
        (output("y", "float32", (0.1, 1.0), excess=9.0), Judgement(rtol=1e-2)),
        (output("y", "float32", (0.1, 1.0), excess=9.0), Judgement(rtol=0.5)),
    ):
        assert not any(said in note for note in rejudge(report(before), wanted).notes)


def test_that_all_is_within_atol_is_said_of_the_atol_in_force() -> None:
    found = report(output("y", "float32", (1e-6, 1.0), largest=3.0, notes=("another",)))
    little = rejudge(found, Judgement(atol=5.0))
    assert little.outputs[0].notes == (
        "another",
        "all values are within atol (3), so this shows little: give a smaller --atol",
    )
    assert rejudge(little, Judgement(atol=2.9)).outputs[0].notes == ("another",)


def test_what_cannot_be_judged_is_refused() -> None:
    with pytest.raises(UsageError, match="no tolerance changes this report") as caught:
        rejudge(report(output("i", "int64", (1.0, 9.0)), output("never", "float32")), Judgement(atol=1.0))
    assert "Integers and strings must be equal" in caught.value.hint
    with pytest.raises(UsageError, match="rtol is inf"):
        rejudge(report(output("y", "float32", (0.1, 1.0))), Judgement(rtol=float("inf")))


def test_one_output_and_what_is_let_pass() -> None:
    noisy = output("y", "float32", (0.1, 1.0), noise=0.05, excess=2.0)
    found = report(noisy, output("z", "float32", (0.1, 1.0)))
    again = rejudge(found, Judgement(outputs={"z": (None, 0.2)}))
    assert [o.verdict for o in again.outputs] == ["ill-conditioned", "same"]
    assert again.notes[0].startswith("judged again with rtol 0.2 of 'z', ")
    assert not again.passed
    accepted = rejudge(again, Judgement(accept_ill_conditioned=True))
    assert accepted.passed
    assert accepted.outputs == again.outputs
    assert not rejudge(accepted, Judgement(accept_ill_conditioned=False)).passed
    with pytest.raises(UsageError, match="the report has no output 'q'") as caught:
        rejudge(found, Judgement(outputs={"q": (1.0, None)}))
    assert caught.value.hint == "It has: y, z."


def test_layers_are_judged_by_the_same_tolerances() -> None:
    off = Deviation(0.1, 1.0, None, None, None, False)
    rows = tuple(
        LayerReport(n, "Gemm", "Conv", None, None, d, GATE, off, off) for n, d in (("a", "float32"), ("b", "int8"))
    )
    found = report(output("y", "float32", (0.1, 1.0)), per_layer=LayersReport("notes", rows, 1))
    again = rejudge(found, Judgement(rtol=0.2))
    assert again.per_layer is not None
    assert [row.diverges for row in again.per_layer.layers] == [False, True]
    assert any("layers are judged again by one run each" in note for note in again.notes)
    assert rejudge(found, Judgement(outputs={"y": (1.0, None)})).per_layer == found.per_layer


def test_elementwise_as_far_as_the_report_tells() -> None:
    each = Judgement(elementwise=True)
    for runs, passes in ((((1e-6, 1.0),), True), (((0.1, 1.0),), False), (((1e-6, 1.0), (0.1, 9.0)), False)):
        again = rejudge(report(output("y", "float32", *runs)), each)
        assert again.passed == passes
        assert again.outputs[0].tolerance.elementwise
        assert again.rtol_to_pass is None  # what would do is not known
    unclear = output("y", "float32", (0.1, 1.0))  # the element that differs most has 0 in the original
    unclear = replace(unclear, extremes=tuple(replace(run, reference=1.0) for run in unclear.extremes))
    with pytest.raises(UsageError, match="output 'y' does not tell if each element passes") as caught:
        rejudge(report(unclear), Judgement(rtol=0.2, elementwise=True))
    assert "Run fc2conv verify again." in caught.value.hint


def test_what_was_measured_element_by_element() -> None:
    run = Deviation(0.1, 10.0, (0,), 1.0, 1.1, False, elementwise_rtol=0.5)
    gate = replace(GATE, elementwise=True)
    found = report(OutputReport("y", "float32", (2,), gate, run, 0.5, extremes=(run,)))
    assert not rejudge(found, Judgement(rtol=0.4)).passed
    assert rejudge(found, Judgement(rtol=0.5)).passed
    assert rejudge(found, Judgement(rtol=0.5, elementwise=True)).passed
    for wanted, words in (
        (Judgement(atol=1.0), "another atol cannot judge it again"),
        (Judgement(elementwise=False), "the largest element cannot judge it again"),
    ):
        with pytest.raises(UsageError, match=words) as caught:
            rejudge(found, wanted)
        assert "another --rtol alone" in caught.value.hint
