from __future__ import annotations

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
