from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from samples import NASTY, different, inspected, left, written
from test_workflow_commands import parsed

from fc2conv_cli.errors import OutputFileError
from fc2conv_cli.reports.github import append_summary, render


def test_an_output_that_differs_is_an_error(tmp_path: Path) -> None:
    lines = [parsed(line) for line in render(different(tmp_path)).splitlines()]
    assert [kind for kind, _, _ in lines] == ["error", "error"]
    assert lines[0][1] == {"title": "fc2conv: outputs, y"}
    assert "max |delta|" in lines[0][2]
    assert lines[1][2].split("\n")[0].endswith("DIFFERENT")
    assert lines[1][2].split("\n")[1] == "compared in onnxruntime: 9 runs, seed 0 at N=1; N=3; N=5"
    assert "--per-layer tells which layer diverges first" in lines[1][2]


def test_what_passed_is_one_notice(tmp_path: Path) -> None:
    (line,) = render(written(tmp_path)).splitlines()
    assert parsed(line)[0] == "notice"


NOTES = (
    "all values are 0, so this shows nothing",
    "every value of every run is 0 or 1, so this shows little",
    "NaN in both models at 100 % of the places",
)


@pytest.mark.parametrize("conversion", [False, True])
def test_what_is_noted_of_an_output_that_passed(tmp_path: Path, conversion: bool) -> None:
    report = written(tmp_path)
    (output,) = report.verification.outputs
    noted = replace(report.verification, outputs=(replace(output, notes=NOTES),))
    shown = render(replace(report, verification=noted) if conversion else noted)
    *notes, whole = [parsed(line) for line in shown.splitlines()]
    title = {"title": f"fc2conv: outputs, {output.name}"}
    assert notes == [
        (kind, title, f"output {output.name!r}: {note}")
        for kind, note in zip(("warning", "warning", "notice"), NOTES, strict=True)
    ]
    assert whole[0] == "notice"


def test_what_is_noted_of_an_output_that_failed_stands_in_its_error(tmp_path: Path) -> None:
    report = different(tmp_path)
    shown = render(replace(report, outputs=tuple(replace(output, notes=NOTES) for output in report.outputs)))
    first, whole = [parsed(line) for line in shown.splitlines()]
    assert (first[0], whole[0]) == ("error", "error")
    assert first[2].split("\n")[-3:] == list(NOTES)


def test_a_note_of_a_comparison_that_shows_nothing_is_a_warning(tmp_path: Path) -> None:
    shown = render(different(tmp_path, 1.0, atol=1e3))
    assert [parsed(line)[0] for line in shown.splitlines()] == ["warning", "notice"]
    assert "so this shows little" in shown


def test_a_layer_that_stays_is_a_notice_or_under_strict_an_error(tmp_path: Path) -> None:
    assert [parsed(line)[0] for line in render(inspected(tmp_path, NASTY)).split("\n")[:-1]] == ["notice", "notice"]
    assert [parsed(line)[0] for line in render(left(tmp_path)).splitlines()] == ["error", "error"]


def test_the_summary_is_added_to_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    path.write_text("before\n")
    append_summary(written(tmp_path), path)
    assert path.read_text().startswith("before\n### ✅ ")
    with pytest.raises(OutputFileError, match="the job's summary cannot be written"):
        append_summary(written(tmp_path), tmp_path / "none" / "summary.md")
