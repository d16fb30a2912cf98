from __future__ import annotations

import io
import pickle
import tarfile
import zipfile
from pathlib import Path

import pytest
import torch
import torch_files
from helpers import SAMPLES

from fc2conv_cli.errors import PyTorchFileError
from fc2conv_cli.frontends.kinds import Kind, kind_of


@pytest.mark.parametrize(
    ("suffix", "kind"),
    [("onnx", Kind.ONNX), ("pt2", Kind.PROGRAM), ("ts", Kind.TORCHSCRIPT), ("pt", Kind.PICKLE), ("pth", Kind.PICKLE)],
)
def test_the_content_counts_and_never_the_suffix(tmp_path: Path, suffix: str, kind: Kind) -> None:
    assert kind_of(SAMPLES / f"digits_cnn.{suffix}") is kind
    for other in ("onnx", "pt", "pt2", "txt"):
        copy = tmp_path / f"model.{other}"
        copy.write_bytes((SAMPLES / f"digits_cnn.{suffix}").read_bytes())
        assert kind_of(copy) is kind


def test_the_other_ways_to_save(tmp_path: Path) -> None:
    legacy = torch_files.pickled(tmp_path / "a", torch_files.mlp(), _use_new_zipfile_serialization=False)
    assert kind_of(legacy) is Kind.PICKLE
    assert kind_of(torch_files.safetensors(tmp_path / "b", torch_files.mlp().state_dict())) is Kind.SAFETENSORS
    assert kind_of(torch_files.script(tmp_path / "c", torch_files.mlp(), torch.ones(1, 4))) is Kind.TORCHSCRIPT
    with zipfile.ZipFile(tmp_path / "d", "w") as archive:  # torch.export.save before 2.8
        archive.writestr("serialized_exported_program.json", "{}")
    assert kind_of(tmp_path / "d") is Kind.PROGRAM


def test_what_is_no_pytorch_file_is_left_to_the_onnx_loader(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello")
    (tmp_path / "empty").touch()
    for path in (tmp_path / "text", tmp_path / "empty", tmp_path / "none", tmp_path):
        assert kind_of(path) is Kind.ONNX


def test_a_truncated_archive(tmp_path: Path) -> None:
    for name in ("digits_cnn.pt2", "digits_cnn.ts", "digits_cnn.pt"):
        short = tmp_path / name
        short.write_bytes((SAMPLES / name).read_bytes()[:9000])
        with pytest.raises(PyTorchFileError, match="the archive is truncated or damaged"):
            kind_of(short)


def test_a_zip_that_is_no_torch_file(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(PyTorchFileError, match=r"a zip archive, but none of PyTorch's \(it holds 'readme.txt'\)"):
        kind_of(tmp_path / "a.pt")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name(tmp_path: Path) -> None:
    path = torch_files.pickled(tmp_path / "a.pt")
    torch_files.add_member(path, "data.pkl", b"")
    with pytest.raises(PyTorchFileError, match="two files of one name"):
        kind_of(path)


def test_a_pickle_that_is_not_of_torch(tmp_path: Path) -> None:
    (tmp_path / "a.pt").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(PyTorchFileError, match=r"a Python pickle that torch.save did not write"):
        kind_of(tmp_path / "a.pt")


def test_a_tar_from_old_torch(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.pt", "w", format=tarfile.USTAR_FORMAT) as archive:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    with pytest.raises(PyTorchFileError, match="tar archive, perhaps of a PyTorch before"):
        kind_of(tmp_path / "a.pt")


def test_an_archive_that_would_unpack_to_much_more(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", bytes(5_000_000))
    with pytest.raises(PyTorchFileError, match="unpack to much more than it is"):
        kind_of(path)


def test_names_that_differ_in_capital_letters_only(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("a/data.pkl", "a/DATA.pkl"):
            archive.writestr(name, b"")
    with pytest.raises(PyTorchFileError, match="two files of one name"):
        kind_of(path)
