from __future__ import annotations

from pathlib import Path

import onnx
import pytest
import torch
import torch_files
from helpers import assert_close, random, run
from torch import nn

from fc2conv_cli.errors import ExportError, UsageError
from fc2conv_cli.frontends.input_specs import parse
from fc2conv_cli.frontends.pytorch.examples import with_examples
from fc2conv_cli.frontends.pytorch.export import export
from fc2conv_cli.frontends.pytorch.network import Network

PATH = Path("model.pt")


def network(module: nn.Module, *specs: str) -> Network:
    return with_examples(PATH, Network(module), parse(specs))


class Branch(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.sum() > 0:
            return x + 1
        return x - 1


class Fixed(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.ones(2, 4) if x.shape[0] == 2 else x


class Bessel(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.special.bessel_j0(x)


@pytest.mark.parametrize("scripted", [False, True])
def test_names_dims_and_values(tmp_path: Path, scripted: bool) -> None:
    module = torch.jit.script(torch_files.mlp()) if scripted else torch_files.mlp()
    target = tmp_path / "a.onnx"
    export(PATH, network(module, "x:Nx4"), target, None)
    proto = onnx.load(target)
    (entry,) = proto.graph.input
    assert entry.name == "x"
    assert [d.dim_param or d.dim_value for d in entry.type.tensor_type.shape.dim] == ["N", 4]
    (y,) = run(target, {"x": random((5, 4))})
    assert_close([y], [torch_files.mlp()(torch.from_numpy(random((5, 4)))).detach().numpy()])
    assert str(Path(__file__).parent).encode() not in target.read_bytes()  # no folders of this machine


class Masked(nn.Module):
    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None, scale: float = 2.0) -> torch.Tensor:
        return x * scale if mask is None else x * mask


def test_arguments_of_torchscript_that_may_be_left_out(tmp_path: Path) -> None:
    export(PATH, network(torch.jit.script(Masked()), "x:Nx4"), tmp_path / "a.onnx", None)
    assert_close(run(tmp_path / "a.onnx", {"x": random((3, 4))}), [random((3, 4)) * 2])


class Named(nn.Module):
    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"twice": x * 2, "half": x / 2}


def test_dicts_of_torchscript(tmp_path: Path) -> None:
    export(PATH, network(torch.jit.script(Named()), "x:Nx4"), tmp_path / "a.onnx", None)
    x = random((3, 4))
    assert_close(run(tmp_path / "a.onnx", {"x": x}), [x * 2, x / 2])


@pytest.mark.parametrize(("scripted", "opset"), [(False, 18), (False, 23), (True, 14), (True, 20)])
def test_the_opset_is_the_one_that_was_asked_for(tmp_path: Path, scripted: bool, opset: int) -> None:
    module = torch.jit.script(torch_files.mlp()) if scripted else torch_files.mlp()
    export(PATH, network(module, "x:1x4"), tmp_path / "a.onnx", opset)
    assert onnx.load(tmp_path / "a.onnx").opset_import[0].version == opset


@pytest.mark.parametrize(
    ("scripted", "opset", "words"),
    [
        (False, 27, "onnxruntime reads 7 to 26"),
        (False, 6, "reads 7 to 26"),
        (True, 21, "writes TorchScript up to opset 20"),
    ],
)
def test_opsets_that_cannot_be(tmp_path: Path, scripted: bool, opset: int, words: str) -> None:
    module = torch.jit.script(torch_files.mlp()) if scripted else torch_files.mlp()
    with pytest.raises(UsageError, match=words):
        export(PATH, network(module, "x:1x4"), tmp_path / "a.onnx", opset)


def test_an_opset_that_the_exporter_silently_does_not_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = torch.onnx.export

    def stubborn(*args: object, **kwargs: object) -> object:
        return real(*args, **{**kwargs, "opset_version": 18})  # type: ignore[arg-type]

    monkeypatch.setattr(torch.onnx, "export", stubborn)
    with pytest.raises(ExportError, match="cannot write this model at opset 17") as caught:
        export(PATH, network(torch_files.mlp(), "x:1x4"), tmp_path / "a.onnx", 17)
    assert "It is at opset 18" in caught.value.hint


def test_a_branch_on_values_names_its_line(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"torch\.export cannot follow the model") as caught:
        export(PATH, network(Branch(), "x:2x4"), tmp_path / "a.onnx", None)
    assert f"{__file__}:{Branch.forward.__code__.co_firstlineno + 1}: if x.sum() > 0:" in caught.value.message
    assert "torch.where or torch.cond" in caught.value.hint


def test_a_dim_that_is_not_dynamic_after_all(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"torch\.export cannot follow the model") as caught:
        export(PATH, network(Fixed(), "x:Nx4"), tmp_path / "a.onnx", None)
    assert "give a number there instead" in caught.value.hint


@pytest.mark.parametrize("scripted", [False, True])
def test_an_operator_that_onnx_lacks_names_itself_and_its_line(tmp_path: Path, scripted: bool) -> None:
    module = torch.jit.script(Bessel()) if scripted else Bessel()
    with pytest.raises(ExportError, match=r"cannot write the operator (prims\.|aten::special_)bessel_j0") as caught:
        export(PATH, network(module, "x:1x4"), tmp_path / "a.onnx", None)
    assert f"(at {__file__}:{Bessel.forward.__code__.co_firstlineno + 1})" in caught.value.message
    assert "Replace that operation" in caught.value.hint


@pytest.mark.parametrize(("opset", "advice"), [(None, "try --opset 20, "), (20, "")])
def test_torchscript_has_no_later_opset_than_its_last(tmp_path: Path, opset: int | None, advice: str) -> None:
    with pytest.raises(ExportError) as caught:
        export(PATH, network(torch.jit.script(Bessel()), "x:1x4"), tmp_path / "a.onnx", opset)
    hint = f"Replace that operation in the model, {advice}or export the parts before and after it."
    assert caught.value.hint == hint


def test_an_operator_of_pytorchs_own_code_is_not_for_the_user_to_replace(tmp_path: Path) -> None:
    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.attention(x, x, x)[0]

    with pytest.raises(ExportError, match=r"cannot write the operator aten::is_autocast_enabled") as caught:
        export(PATH, network(torch.jit.script(Attention().eval()), "x:1x3x8"), tmp_path / "a.onnx", None)
    assert "torch.export.save, or with torch.jit.trace" in caught.value.hint
    assert "opset" not in caught.value.hint
