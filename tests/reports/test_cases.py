from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from helpers import SAMPLES
from samples import different, inspected, integers, left, nothing_compared, overridable, without_an_output, written

from fc2conv_cli import Settings, convert
from fc2conv_cli.reports.cases import cases, headline, passed


def outcomes(report: object) -> list[tuple[str, str, str]]:
    return [(case.suite, case.name, case.outcome) for case in cases(report)]  # type: ignore[arg-type]


def test_a_case_for_each_output_with_the_numbers(tmp_path: Path) -> None:
    report = different(tmp_path)
    (case,) = cases(report)
    assert (case.suite, case.name, case.outcome) == ("outputs", "y", "failed")
    worst = report.outputs[0].worst
    assert f"max |delta| {worst.max_abs:.3g}, allowed" in case.message
    assert "(atol 1e-05 + rtol 1e-05 * max |ref|" in case.message
    assert case.details[0].startswith("at [")
    assert not any("rtol needed" in line for line in case.details)  # it is no rounding
    output = replace(report.outputs[0], excess=10.0)
    (case,) = cases(replace(report, outputs=(output,)))
    assert case.details[1] == "rtol needed to pass: 0.51"  # rounded up, so that it is enough
    assert "DIFFERENT" in headline(report)
    assert not passed(report)


def test_no_rtol_is_offered_for_integers(tmp_path: Path) -> None:
    (case,) = cases(integers(tmp_path))
    assert case.outcome == "failed"
    assert not any("rtol needed" in line for line in case.details)


def test_an_output_that_is_missing_fails_and_one_that_was_not_compared_is_skipped(tmp_path: Path) -> None:
    first, second = cases(without_an_output(tmp_path))
    assert (first.name, first.outcome, first.message) == ("a", "skipped", "output 'a' was not compared")
    assert (second.name, second.outcome) == ("b", "failed")
    assert second.message == "output 'b' is missing from the converted model"


def test_a_layer_that_stays_fails_under_strict_only(tmp_path: Path) -> None:
    assert outcomes(left(tmp_path)) == [("layers", "fc", "failed"), ("conversion", str(tmp_path / "m.onnx"), "failed")]
    assert outcomes(inspected(tmp_path)) == [("layers", "fc", "skipped")]
    assert passed(inspected(tmp_path))
    usual = convert(overridable(tmp_path), dry_run=True)
    assert [outcome for _, _, outcome in outcomes(usual)] == ["skipped", "passed"]


def test_a_conversion_has_layers_outputs_and_itself(tmp_path: Path) -> None:
    found = outcomes(written(tmp_path))
    assert {outcome for _, _, outcome in found} == {"passed"}
    assert [suite for suite, _, _ in found] == ["layers"] * 3 + ["outputs", "conversion"]


def test_what_became_of_a_conversion_is_said_in_full(tmp_path: Path) -> None:
    strict = convert(SAMPLES / "mlp.onnx", tmp_path / "no.onnx", settings=Settings(atol=0.0, rtol=0.0))
    for report, words in (
        (written(tmp_path), f"written: {tmp_path / 'out.onnx'}"),
        (left(tmp_path), "a layer would be left (--strict); nothing written"),
        (strict, "DIFFERENT, the result does not agree with the original; nothing written"),
        (convert(overridable(tmp_path), dry_run=True), "dry run, nothing written"),
    ):
        assert cases(report)[-1].message == words
        assert headline(report).endswith(f": {words}")


def test_where_nothing_was_compared_each_output_fails_as_the_whole_does(tmp_path: Path) -> None:
    report = nothing_compared(tmp_path)
    assert not report.passed
    (case,) = cases(report)
    assert case.outcome == "failed"
    assert case.message == "output 'y' (float32) was not compared: no run had a finite value of it"


def test_one_output_without_a_finite_value_fails_beside_one_that_agrees(tmp_path: Path) -> None:
    report = nothing_compared(tmp_path, beside=True)
    assert not report.passed
    assert [(case.name, case.outcome) for case in cases(report)] == [("y", "failed"), ("z", "passed")]


def test_of_integers_no_tolerance_is_told(tmp_path: Path) -> None:
    (case,) = cases(integers(tmp_path))
    assert case.message == "output 'y' (int64): max |delta| 1, must be equal"
