from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import torch
import torch_files
from torch import nn

from fc2conv_cli.errors import UnsafeFileError
from fc2conv_cli.frontends.pytorch.archive import members
from fc2conv_cli.frontends.pytorch.script_check import class_complaint, complaints
from fc2conv_cli.frontends.pytorch.torchscript import load_torchscript


class Wide(nn.Module):
    """Much of what TorchScript has."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(8, 2, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[0] > 3:
            raise RuntimeError('it\'s "bad" torch. # no\n')
        kinds = {"a-b": torch.zeros(8, device=x.device, dtype=torch.float32)}
        return self.layer(x) + kinds["a-b"] + float("inf")  # type: ignore[no-any-return]


def test_what_torch_writes_passes(tmp_path: Path) -> None:
    traced = (nn.Sequential(nn.Conv1d(4, 4, 1), nn.GELU(), nn.LayerNorm(5)), torch.ones(2, 4, 5))
    for module, args in ((Wide().eval(), ()), (traced[0], traced[1:])):
        path = torch_files.script(tmp_path / "a.ts", module, *args)
        sources = [source.decode() for _, source in members(path, lambda name: name.endswith(".py"))]
        assert sources
        assert [found for source in sources for found in complaints(source)] == []


@pytest.mark.parametrize(
    "code",
    [
        'getattr(torch, "save")(x, "/a")',
        'getattr(torch, "sa\\x76e")(x, "/a")',
        'getattr(_0, "save")',
        'getattr(_0, "sa\\x76e")',
        'getattr(getattr(_0, "a"), "b")',
        "getattr(_0, _1)",
        'getattr(__torch__, "torch")',
        "_0 = torch",
        "_0 = ops.aten",
        "_0 = ops",
        "torch .save(x)",
        "torch.jit.load(x)",
        "torch.save(x)",
        "ops.aten.from_file(x)",
        "ops.debugprims.load_tensor(x)",
        "ops.unknown.relu(x)",
        "ops.prim.Print(x)",
        "torch.nothing_like_it(x)",
        "_0 = __torch__.torch\n_0.classes.dist_c10d.Store()",
        "x = 'a'",
        'x = """a"""',
        'x = "a',
        "x = 1 # a",
        "x \\\n= 1",
        "x = \u00e9",
    ],
)
def test_what_torch_does_not_write(code: str) -> None:
    assert list(complaints(code))


@pytest.mark.parametrize(
    "code", ['_0 = getattr(self, "8")', "_0 = torch.relu(x)", "ops.prim.NumToTensor(1)", 'x = "save"']
)
def test_what_it_does(code: str) -> None:
    assert list(complaints(code)) == []


def test_classes() -> None:
    assert class_complaint("__torch__.torch.classes.dist_c10d.Store")
    assert class_complaint("__torch__.torch.classes.quantized.LinearPackedParamsBase") is None


@pytest.mark.parametrize("member", ["code/__torch__.py", "code/__torch__.PY"])
@pytest.mark.parametrize("call", ['getattr(torch, "save")', "torch.save"])
def test_an_archive_whatever_its_members_are_called(tmp_path: Path, member: str, call: str) -> None:
    class Identity(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + 1

    witness = tmp_path / "witness"
    path = torch_files.script(tmp_path / "a.ts", Identity())
    with zipfile.ZipFile(path) as archive:
        (full,) = (name for name in archive.namelist() if name.endswith(".py"))
        head, _, tail = archive.read(full).decode().partition("    return ")
    name = full.partition("/")[2]
    evil = f'{head}    _0 = {call}(x, "{witness}")\n    return {tail}'.encode()
    torch_files.replace_members(path, lambda found, old: None if found == name else old)
    torch_files.add_member(path, name.replace(".py", member[-3:]), evil)
    with pytest.raises(UnsafeFileError) as caught:
        load_torchscript(path, unsafe=False)
    assert "--unsafe-load" in caught.value.hint
    assert not witness.exists()


def test_the_format_of_old(tmp_path: Path) -> None:
    path = torch_files.add_member(torch_files.script(tmp_path / "a.ts"), "model.json", b"{}")
    with pytest.raises(UnsafeFileError, match=r"before PyTorch 1\.3"):
        load_torchscript(path, unsafe=False)
