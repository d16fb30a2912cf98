from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
import torch_files
from torch import nn

from fc2conv_cli.errors import PyTorchFileError, UnsafeFileError
from fc2conv_cli.frontends.pytorch.factory import importing_from
from fc2conv_cli.frontends.pytorch.pickles import load_pickle


class OurNet(nn.Linear):
    """A class that is no building block."""


def test_whatever_it_holds(tmp_path: Path) -> None:
    assert isinstance(load_pickle(torch_files.pickled(tmp_path / "a"), unsafe=False), nn.Sequential)
    assert load_pickle(torch_files.pickled(tmp_path / "b", [torch.ones(2)]), unsafe=False)[0].tolist() == [1, 1]
    old = torch_files.pickled(tmp_path / "c", {"w": torch.ones(2)}, _use_new_zipfile_serialization=False)
    assert load_pickle(old, unsafe=False)["w"].tolist() == [1, 1]


@pytest.mark.parametrize("new", [True, False])
def test_a_class_of_the_users_is_refused_by_name(tmp_path: Path, new: bool) -> None:
    path = torch_files.pickled(tmp_path / "a.pt", OurNet(2, 3), _use_new_zipfile_serialization=new)
    with pytest.raises(UnsafeFileError) as caught:
        load_pickle(path, unsafe=False)
    assert caught.value.message.endswith(f"loading it would import and run: {__name__}.OurNet")
    assert "--unsafe-load" in caught.value.hint
    assert "any code" in caught.value.hint
    assert isinstance(load_pickle(path, unsafe=True), OurNet)


@pytest.mark.parametrize("new", [True, False])
def test_a_malicious_pickle(tmp_path: Path, new: bool) -> None:
    witness = tmp_path / "witness"
    module = torch_files.mlp()
    module.extra = torch_files.Evil(witness)  # type: ignore[assignment]
    contents = {"module": module, "state": {**torch_files.mlp().state_dict(), "z": torch_files.Evil(witness)}}
    for name, content in contents.items():
        path = torch_files.pickled(tmp_path / name, content, _use_new_zipfile_serialization=new)
        with pytest.raises(UnsafeFileError, match=r"would import and run: io.open"):
            load_pickle(path, unsafe=False)
        assert not witness.exists()
    load_pickle(path, unsafe=True)["z"].close()
    assert witness.exists()


def test_other_protocols_and_old_modules_say_why(tmp_path: Path) -> None:
    newer = torch_files.pickled(tmp_path / "a", pickle_protocol=4)
    with pytest.raises(UnsafeFileError, match=r"without running code from it: Unsupported operand"):
        load_pickle(newer, unsafe=False)
    old = torch_files.pickled(tmp_path / "b", _use_new_zipfile_serialization=False)
    with pytest.raises(UnsafeFileError, match=r"before 1\.6 keeps a whole module"):
        load_pickle(old, unsafe=False)
    assert isinstance(load_pickle(old, unsafe=True), nn.Sequential)


def test_classes_that_are_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "elsewhere_net.py").write_text("from torch import nn\nclass Net(nn.Linear): pass\n")
    with importing_from([tmp_path]):
        import elsewhere_net  # type: ignore[import-not-found]

        path = torch_files.pickled(tmp_path / "a.pt", elsewhere_net.Net(2, 3))
        del sys.modules["elsewhere_net"]
    with pytest.raises(PyTorchFileError, match="cannot be imported: No module named 'elsewhere_net'") as caught:
        load_pickle(path, unsafe=True)
    assert "--import-path" in caught.value.hint
    with importing_from([tmp_path]):
        assert type(load_pickle(path, unsafe=True)).__name__ == "Net"
    del sys.modules["elsewhere_net"]


@pytest.mark.parametrize("unsafe", [False, True])
def test_damaged_files(tmp_path: Path, unsafe: bool) -> None:
    path = torch_files.pickled(tmp_path / "a.pt")
    without = torch_files.replace_members(path, lambda name, content: None if name == "data/0" else content)
    with pytest.raises(PyTorchFileError, match="torch cannot load it, it is truncated or damaged"):
        load_pickle(without, unsafe=unsafe)
    old = torch_files.pickled(tmp_path / "b.pt", {"w": torch.ones(999)}, _use_new_zipfile_serialization=False)
    old.write_bytes(old.read_bytes()[:700])
    with pytest.raises(PyTorchFileError, match="truncated or damaged"):
        load_pickle(old, unsafe=unsafe)


def test_lazy_layers_that_were_never_run_say_so(tmp_path: Path) -> None:
    module = nn.Sequential(nn.LazyLinear(8), nn.ReLU(), nn.LazyConv1d(3, 1))
    with pytest.raises(PyTorchFileError, match="lazy layers that were never run") as caught:
        load_pickle(torch_files.pickled(tmp_path / "a.pt", module), unsafe=False)
    assert "Run the module once" in caught.value.hint
    assert "--unsafe-load" not in caught.value.hint
    module = nn.Sequential(nn.LazyLinear(8), nn.ReLU())
    module(torch.ones(1, 4))
    assert load_pickle(torch_files.pickled(tmp_path / "b.pt", module), unsafe=False)(torch.ones(1, 4)).shape == (1, 8)


def test_lazy_layers_beside_other_classes_do_not_hide_those(tmp_path: Path) -> None:
    content = [nn.LazyLinear(8), torch_files.Evil(tmp_path / "witness")]
    with pytest.raises(UnsafeFileError, match="loading it would import and run"):
        load_pickle(torch_files.pickled(tmp_path / "a.pt", content), unsafe=False)
    assert not (tmp_path / "witness").exists()
