from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch_files
from torch import nn

from fc2conv_cli.errors import PyTorchFileError, UnsafeFileError
from fc2conv_cli.frontends.kinds import kind_of
from fc2conv_cli.frontends.loading import Loading
from fc2conv_cli.frontends.pytorch.opening import opened
from fc2conv_cli.frontends.pytorch.structure import check_names, check_structure
from fc2conv_cli.timing import Stopwatch

PATH = Path("a.pt")


def test_modules_of_torch_pass() -> None:
    shared = nn.Linear(3, 3)
    layer = nn.TransformerEncoderLayer(4, 2)
    for module in (nn.Sequential(shared, shared), layer, nn.LSTM(2, 2), nn.BatchNorm2d(3), nn.MultiheadAttention(4, 2)):
        check_structure(PATH, module)
        check_names(PATH, module)


def without_modules(module: nn.Sequential) -> None:
    del module.__dict__["_modules"]


def with_a_list(module: nn.Sequential) -> None:
    module.__dict__["_modules"] = [1]


def with_a_number(module: nn.Sequential) -> None:
    module.__dict__["_parameters"] = {"a": 1}


def without_a_mode(module: nn.Sequential) -> None:
    del module[0].__dict__["training"]


def within_itself(module: nn.Sequential) -> None:
    module._modules["self"] = nn.Sequential(module)


def with_other_methods(module: nn.Sequential) -> None:
    module._modules = OrderedDict(module._modules)  # type: ignore[assignment]
    module._modules.__dict__["items"] = nn.Identity


def nested_deeply(module: nn.Sequential) -> None:
    for _ in range(500):
        module._modules["a"] = nn.Sequential(*module._modules.values())


@pytest.mark.parametrize(
    "damage",
    [
        without_modules,
        with_a_list,
        with_a_number,
        without_a_mode,
        within_itself,
        with_other_methods,
        nested_deeply,
    ],
)
def test_what_torch_could_not_walk_through(damage: Callable[[nn.Sequential], None]) -> None:
    module = torch_files.mlp()
    damage(module)
    with pytest.raises(PyTorchFileError, match="the module is damaged: ") as caught:
        check_structure(PATH, module)
    assert caught.value.hint


def named(module: nn.Sequential, name: str) -> None:
    module._modules = {name: module[0]}


def with_a_weight(module: nn.Sequential, name: str) -> None:
    module[0]._parameters[name] = nn.Parameter(torch.zeros(3))


def with_a_buffer(module: nn.Sequential, name: str) -> None:
    module[0]._buffers[name] = torch.zeros(3)


@pytest.mark.parametrize("place", [named, with_a_weight, with_a_buffer])
@pytest.mark.parametrize("code", ['a")\ropen("{}","w")\rdef g():\r    0 #', 'a"b', "a.b", "", "a b", "ü"])
def test_names_that_could_be_code(tmp_path: Path, place: Callable[[nn.Sequential, str], None], code: str) -> None:
    module, witness = torch_files.mlp(), tmp_path / "witness"
    place(module, code.format(witness))
    path = torch_files.pickled(tmp_path / "a.pt", module)
    with (
        pytest.raises(UnsafeFileError, match="is no name of a part") as caught,
        opened(path, kind_of(path), Loading(inputs=("x:2x4",)), tmp_path / "a.onnx", Stopwatch()),
    ):
        pass
    assert "--unsafe-load" in caught.value.hint
    assert not witness.exists()


def test_methods_and_hooks_of_its_own() -> None:
    module = torch_files.mlp()
    module.__dict__["forward"] = nn.functional.relu
    with pytest.raises(UnsafeFileError, match="has a 'forward' of its own"):
        check_names(PATH, module)
    module = torch_files.mlp()
    module.register_forward_pre_hook(lambda *_: None)
    with pytest.raises(UnsafeFileError, match="has hooks"):
        check_names(PATH, module)
