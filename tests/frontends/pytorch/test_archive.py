from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import torch_files

from fc2conv_cli.errors import PyTorchFileError
from fc2conv_cli.frontends.pytorch.archive import members, names


def test_both_readers_are_asked(tmp_path: Path) -> None:
    path = torch_files.script(tmp_path / "a.ts")
    assert {"a/data.pkl", "data.pkl"} <= set(names(path))
    found = list(members(path, lambda name: name.endswith("data.pkl")))
    assert [name for name, _ in found] == ["a/data.pkl", "data.pkl"]
    assert found[0][1] == found[1][1] != b""


def test_a_zip_that_only_python_reads(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a", "w") as archive:
        archive.writestr("one/version", "x")
        archive.writestr("two/b", "y")
    assert list(members(tmp_path / "a", lambda name: name == "two/b")) == [("two/b", b"y")]


def test_a_member_that_is_damaged(tmp_path: Path) -> None:
    path = torch_files.script(tmp_path / "a.ts")
    with zipfile.ZipFile(path) as archive:
        content = archive.read("a/data.pkl")
    path.write_bytes(path.read_bytes().replace(content, content[:-2] + b"xx"))
    with pytest.raises(PyTorchFileError, match=r"the archive is damaged: Bad CRC-32 for file 'a/data.pkl'"):
        list(members(path, lambda name: name.endswith("data.pkl")))
