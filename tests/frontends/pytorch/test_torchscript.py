from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch_files
from helpers import CORPUS
from torch import nn

from fc2conv_cli.errors import PyTorchFileError, UnsafeFileError
from fc2conv_cli.frontends.pytorch.torchscript import load_torchscript

X = torch.ones(2, 4)


@pytest.mark.parametrize("args", [(), (X,)])
def test_scripted_and_traced(tmp_path: Path, args: tuple[torch.Tensor, ...]) -> None:
    module = load_torchscript(torch_files.script(tmp_path / "a.ts", torch_files.mlp(), *args), unsafe=False)
    torch.testing.assert_close(module(X), torch_files.mlp()(X))


def test_dropout_is_off(tmp_path: Path) -> None:
    path = torch_files.script(tmp_path / "a.ts", nn.Sequential(nn.Dropout(0.5)).train())
    assert load_torchscript(path, unsafe=False)(X).tolist() == X.tolist()


class WritesWhenItRuns(nn.Module):
    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.from_file(self.path, True, 4)


class WritesWhenItLoads(nn.Module):
    def __init__(self, path: str) -> None:
        super().__init__()
        self.path, self.state = path, 0

    @torch.jit.export
    def __getstate__(self) -> tuple[str, bool]:
        return self.path, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[str, bool]) -> None:
        self.path, self.training = state
        self.state = 1
        torch.save(torch.zeros(1), self.path)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.state


def test_a_program_that_writes_files(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    for made, call in ((WritesWhenItRuns, "from_file"), (WritesWhenItLoads, "save")):
        path = torch_files.script(tmp_path / "a.ts", made(str(witness)))
        with pytest.raises(UnsafeFileError, match=f"reads or writes files: it calls {call}") as caught:
            load_torchscript(path, unsafe=False)
        assert "--unsafe-load" in caught.value.hint
        assert not witness.exists()
    load_torchscript(path, unsafe=True)
    assert witness.exists()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("torch . save(x)", "it calls save"),
        ("torch.\\\nfrom_file(x)", "it calls from_file"),
        ("torch. # a comment\n  from_file(x)", "it calls from_file"),
        ('x = "#"; ops.aten.save(x)', "it calls save"),
        ("x : __torch__.torch.classes.dist_c10d.Store", "uses the class __torch__.torch.classes.dist_c10d.Store"),
    ],
)
def test_however_it_is_spelled(tmp_path: Path, code: str, words: str) -> None:
    path = torch_files.script(tmp_path / "a.ts")
    torch_files.replace_members(
        path, lambda name, old: old + code.encode() if "linear" in name and name.endswith(".py") else old
    )
    with pytest.raises(UnsafeFileError, match=words):
        load_torchscript(path, unsafe=False)


def test_an_object_of_a_class_that_is_not_torchscripts(tmp_path: Path) -> None:
    evil = b"\x80\x02c__torch__.torch.classes.dist_c10d\nStore\n)\x81."
    path = torch_files.script(tmp_path / "a.ts")
    torch_files.replace_members(path, lambda name, old: evil if name == "data.pkl" else old)
    with pytest.raises(
        UnsafeFileError, match=r"holds an object of the class __torch__\.torch\.classes\.dist_c10d\.Store"
    ):
        load_torchscript(path, unsafe=False)


@pytest.mark.parametrize("member", ["data.pkl", "constants.pkl"])
@pytest.mark.parametrize("unsafe", [False, True])
def test_a_poisoned_pickle_inside_never_runs(tmp_path: Path, member: str, unsafe: bool) -> None:
    path, evil = torch_files.script(tmp_path / "a.ts"), torch_files.evil_pickle(tmp_path / "witness")
    torch_files.replace_members(path, lambda name, old: evil if name == member else old)
    with pytest.raises(UnsafeFileError, match=r"a pickle in it asks for io\.open"):
        load_torchscript(path, unsafe=unsafe)
    assert not (tmp_path / "witness").exists()


def test_a_damaged_archive(tmp_path: Path) -> None:
    path = torch_files.script(tmp_path / "a.ts")
    torch_files.replace_members(path, lambda name, old: None if name == "data/0" else old)
    with pytest.raises(PyTorchFileError, match="torch cannot load the TorchScript archive") as caught:
        load_torchscript(path, unsafe=False)
    assert "frame #" not in caught.value.message


@pytest.mark.skipif(not CORPUS.exists(), reason="no corpus here")
def test_the_corpus_passes_the_check() -> None:
    for path in (CORPUS / "torchscript").glob("*.pt"):
        load_torchscript(path, unsafe=False)
