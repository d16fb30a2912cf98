from __future__ import annotations

from pathlib import Path

import pytest
from samples import different

from fc2conv_cli.reports.formats import Format, add_to_job, render


def test_every_format_is_another_text(tmp_path: Path) -> None:
    report = different(tmp_path)
    texts = [render(report, f, width=None, color=False, verbose=False) for f in Format]
    assert len(set(texts)) == len(Format) == 5
    assert all(text.endswith("\n") for text in texts)


def test_only_github_adds_to_the_summary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report, path = different(tmp_path), tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
    for output_format in Format:
        add_to_job(report, output_format)
        assert path.exists() == (output_format is Format.github)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "")
    add_to_job(report, Format.github)
