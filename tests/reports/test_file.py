from __future__ import annotations

from pathlib import Path

import pytest
from helpers import random

from fc2conv_cli.errors import OutputFileError
from fc2conv_cli.reports.file import check, write


def test_an_earlier_report_may_be_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    write(path, "{}")
    write(path, "größer " * 20000)
    write(path, "{}")
    assert path.read_text() == "{}"


@pytest.mark.parametrize("content", [random((64,)).tobytes(), b"PK\x03\x04\x00", b"text then \x00"])
def test_what_is_not_text_may_not(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "weights.bin"
    path.write_bytes(content)
    with pytest.raises(OutputFileError, match="not written over a model or its data"):
        write(path, "report")
    assert path.read_bytes() == content


def test_folders_and_models(tmp_path: Path) -> None:
    for path, words in (
        (tmp_path, "folder"),
        (tmp_path / "no" / "r.txt", "does not exist"),
        (tmp_path / "m.onnx", "model"),
    ):
        with pytest.raises(OutputFileError, match=words):
            check(path)
    check(Path("/dev/null"))
