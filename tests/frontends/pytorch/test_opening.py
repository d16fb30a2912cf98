from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
import torch_files
from torch import nn

from fc2conv_cli.errors import FC2ConvError, PyTorchFileError, UsageError
from fc2conv_cli.frontends.kinds import kind_of
from fc2conv_cli.frontends.loading import Loading
from fc2conv_cli.frontends.pytorch.opening import opened
from fc2conv_cli.timing import Stopwatch


def notes(tmp_path: Path, path: Path, **options: Any) -> tuple[str, ...]:
    loading = Loading(**{"inputs": ("x:1x4",), **options})
    with opened(path, kind_of(path), loading, tmp_path / "out.onnx", Stopwatch()) as found:
        assert found.onnx.exists()
        assert found.eager is not None
        return found.notes


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delitem(sys.modules, "opening_code", raising=False)
    (tmp_path / "opening_code.py").write_text(
        "import torch\n"
        "from torch import nn\n"
        "def mlp(): return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))\n"
        "class Branch(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.linear = nn.Linear(4, 3)\n"
        "    def forward(self, x):\n"
        "        if x.sum() > 0: return self.linear(x)\n"
        "        return -self.linear(x)\n"
        "def traced(): return torch.jit.trace(Branch(), torch.ones(1, 4))\n"
    )
    return tmp_path


def test_state_dicts_with_the_factory_that_the_user_named(tmp_path: Path, code: Path) -> None:
    options: dict[str, Any] = {"model": "opening_code:mlp", "import_paths": (code,)}
    weights = torch_files.mlp().state_dict()
    assert notes(tmp_path, torch_files.pickled(tmp_path / "a.pth", weights), **options) == ()
    assert notes(tmp_path, torch_files.safetensors(tmp_path / "a.safetensors", weights), **options) == ()
    wrapped = {"state_dict": {f"module.{name}": tensor for name, tensor in weights.items()}, "epoch": 3}
    assert notes(tmp_path, torch_files.pickled(tmp_path / "b.pth", wrapped), **options) == (
        "the file is a checkpoint; its 'state_dict' was taken",
        "all names in the file begin with 'module.', which was taken away",
    )


def test_a_branch_that_was_traced_is_said_in_our_words(tmp_path: Path, code: Path) -> None:
    path = torch_files.pickled(tmp_path / "a.pth", {f"linear.{n}": t for n, t in nn.Linear(4, 3).state_dict().items()})
    (note,) = notes(tmp_path, path, model="opening_code:traced", import_paths=(code,))
    assert note.startswith(f"tracing fixed a branch or a loop of the model ({code / 'opening_code.py'}:9)")


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        (torch.ones(3, 4), {}, "it holds a tensor of shape [3, 4], and no model"),
        ([torch.ones(1)] * 3, {}, "it holds a list of 3 (tensors), and no model"),
        ((1, "a"), {}, "it holds a tuple of 2 (int, str), and no model"),
        ({"epoch": 3, "lr": 0.1}, {}, "it holds a dict with the keys 'epoch', 'lr', and no model"),
        (7, {}, "it holds a int, and no model"),
        (torch_files.mlp().state_dict(), {}, "it holds weights only, and not the model that they belong to"),
        (torch_files.mlp(), {"model": "a:b"}, "--model: no use for"),
        (torch_files.mlp(), {"import_paths": (Path(),)}, "--import-path: no use for"),
        (torch_files.mlp(), {"inputs": ()}, "does not say what the model is fed"),
    ],
)
def test_what_cannot_be_used_says_what_it_is(tmp_path: Path, content: Any, options: dict[str, Any], words: str) -> None:
    path = torch_files.pickled(tmp_path / "a.pt", content)
    with pytest.raises(FC2ConvError) as caught:
        notes(tmp_path, path, **options)
    assert words in caught.value.message
    assert isinstance(caught.value, PyTorchFileError | UsageError)
    assert caught.value.hint


def test_a_live_module_is_in_its_modes_again_afterwards(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Linear(4, 3), nn.Dropout(), nn.Linear(3, 3)).train()
    module[2].eval()
    x = torch.ones(1, 4)
    with opened(Path("M"), module, Loading(example_inputs=x), tmp_path / "a.onnx", Stopwatch()) as found:
        assert not module.training
        assert found.eager is not None
    assert [part.training for part in module.modules()] == [True, True, True, False]
    with (
        pytest.raises(FC2ConvError),
        opened(Path("M"), module, Loading(example_inputs=x[:, :2]), tmp_path / "b.onnx", Stopwatch()),
    ):
        pass
    assert [part.training for part in module.modules()] == [True, True, True, False]


def test_bfloat16_is_run_where_onnxruntime_has_no_kernels(tmp_path: Path) -> None:
    module, x = nn.Linear(4, 3).bfloat16(), torch.ones(1, 4, dtype=torch.bfloat16)
    with opened(Path("M"), module, Loading(example_inputs=(x,)), tmp_path / "a.onnx", Stopwatch()) as found:
        assert found.eager is not None
        assert [port.type for port in found.eager.inputs] == ["tensor(bfloat16)"]


@pytest.mark.parametrize("leave", ["raise SystemExit(0)", "raise GeneratorExit", "sys.exit(0)"])
def test_a_model_that_ends_the_program(tmp_path: Path, leave: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "leaving_code", raising=False)
    (tmp_path / "leaving_code.py").write_text(
        f"import sys\nfrom torch import nn\nclass Net(nn.Linear):\n    def forward(self, x):\n        {leave}\n"
        f"def net(): return Net(4, 3)\ndef fails(): {leave}\n"
    )
    path = torch_files.pickled(tmp_path / "a.pth", nn.Linear(4, 3).state_dict())
    for factory in ("net", "fails"):
        with pytest.raises(FC2ConvError, match="it ended itself with"):
            notes(tmp_path, path, model=f"leaving_code:{factory}", import_paths=(tmp_path,))


def test_an_input_that_is_changed_in_place_is_noted(tmp_path: Path) -> None:
    class Changes(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x.add_(1)
            return x * 2

    path = torch_files.program(tmp_path / "a.pt2", Changes())
    assert notes(tmp_path, path, inputs=()) == (
        "the model changes its input 'x' in place; ONNX has no such thing, and leaves it as it is",
    )


def test_an_attribute_of_the_file_does_not_decide_on_the_mode(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5)).train()
    module.__dict__["_guards_fn"] = 1
    path = torch_files.pickled(tmp_path / "a.pt", module)
    with opened(path, kind_of(path), Loading(inputs=("x:1x4",)), tmp_path / "a.onnx", Stopwatch()) as found:
        assert "Dropout" not in [node.op_type for node in onnx.load(found.onnx).graph.node]


def test_inputs_that_no_machine_holds(tmp_path: Path) -> None:
    for size in ("99999999999", "99999999999999999999"):
        with pytest.raises(UsageError, match="values are more than fc2conv makes up"):
            notes(tmp_path, torch_files.pickled(tmp_path / "a.pt"), inputs=(f"x:{size}x4",))
