"""A report that is judged again says what a run with those tolerances would have said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers import SAMPLES
from samples import different, inspected, integers, left, without_an_output

from fc2conv_cli import Settings, convert
from fc2conv_cli.errors import UsageError
from fc2conv_cli.reports.from_json import read
from fc2conv_cli.reports.json import render
from fc2conv_cli.reports.judge import judge
from fc2conv_cli.verification.judgement import Judgement


def saved(report: object, folder: Path) -> object:
    path = folder / "r.json"
    path.write_text(render(report))  # type: ignore[arg-type]
    return read(path)


@pytest.mark.parametrize("atol", [0.0, 1e-6, 0.01, 0.5, 2.0])
@pytest.mark.parametrize("rtol", [0.0, 1e-6, 0.009, 0.011, 0.5])
def test_as_a_run_with_these_tolerances(tmp_path: Path, atol: float, rtol: float) -> None:
    again = judge(saved(different(tmp_path, 1.01), tmp_path), Judgement(atol=atol, rtol=rtol))  # type: ignore[arg-type]
    run = different(tmp_path, 1.01, atol=atol, rtol=rtol)
    ours, theirs = (json.loads(render(report)) for report in (again, run))
    for data in (ours, theirs):
        data.pop("notes")
        for field in ("seconds", "original_cost", "converted_cost"):  # which differ from run to run
            data.pop(field)
        for field in ("notes", "excess"):  # noise is measured in runs that fail, and these are others
            data["outputs"][0].pop(field)
    assert ours == theirs


def test_what_is_not_given_stays(tmp_path: Path) -> None:
    report = different(tmp_path, 1.01, atol=0.1, rtol=0.2)
    assert judge(report, Judgement()) is report
    (output,) = judge(report, Judgement(atol=0.3)).outputs  # type: ignore[union-attr]
    assert (output.tolerance.atol, output.tolerance.rtol) == (0.3, 0.2)


def test_what_no_tolerance_changes_is_refused(tmp_path: Path) -> None:
    for report, words in (
        (integers(tmp_path), "no tolerance changes this report: it holds no output of floats"),
        (without_an_output(tmp_path), "no tolerance changes this report"),
        (inspected(tmp_path), "holds no comparison that could be judged again"),
        (left(tmp_path), "holds no comparison that could be judged again"),
    ):
        with pytest.raises(UsageError, match=words) as caught:
            judge(report, Judgement(atol=1.0))
        assert caught.value.hint
    with pytest.raises(UsageError, match="atol is nan"):
        judge(different(tmp_path), Judgement(atol=float("nan")))


def test_a_conversion_by_other_tolerances(tmp_path: Path) -> None:
    written = convert(SAMPLES / "digits_cnn.onnx", tmp_path / "out.onnx")
    worse = judge(saved(written, tmp_path), Judgement(atol=0.0, rtol=0.0))  # type: ignore[arg-type]
    assert (worse.status, worse.passed) == ("different", False)  # type: ignore[union-attr]
    assert f"does not agree by these tolerances; {tmp_path / 'out.onnx'} was written" in str(worse)
    again = judge(saved(worse, tmp_path), Judgement(atol=1e-5, rtol=1e-5))  # type: ignore[arg-type]
    assert (again.status, again.passed) == ("written", True)  # type: ignore[union-attr]

    strict = convert(SAMPLES / "digits_cnn.onnx", tmp_path / "no.onnx", settings=Settings(atol=0.0, rtol=0.0))
    assert (strict.status, strict.output) == ("different", None)
    better = judge(saved(strict, tmp_path), Judgement(atol=1e-5, rtol=1e-5))  # type: ignore[arg-type]
    assert (better.status, better.passed) == ("would be written", True)  # type: ignore[union-attr]
    assert not better.verified  # type: ignore[union-attr]
    assert "convert again with them to have it written" in str(better)
    assert saved(better, tmp_path).status == "would be written"  # type: ignore[attr-defined]
