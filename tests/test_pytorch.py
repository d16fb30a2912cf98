"""PyTorch models of many kinds, converted through the library and compared with PyTorch by our own run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
import torch_files
from helpers import assert_close, names, ops, run
from torch import nn

from fc2conv_cli import FC2ConvError, convert, inspect, verify
from fc2conv_cli.frontends.loading import Loading
from fc2conv_cli.pipeline.records import ConversionReport
from fc2conv_cli.reports.console import render
from fc2conv_cli.reports.json import render as render_json

N = torch.export.Dim("N")


class TwoInTwoOut(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 3), nn.Linear(5, 3)

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> dict[str, Any]:
        return {"sum": self.a(x) + self.b(y), "parts": (self.a(x), None)}


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table, self.head = nn.Embedding(7, 8), nn.Linear(8, 7)
        self.head.weight = self.table.weight

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.head(self.table(ids))


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(torch.relu(self.linear(x)))


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.attention(x, x, x, need_weights=False)[0]


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell, self.head = nn.LSTM(8, 6, batch_first=True), nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.cell(x)[0])


class Options(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor, double: bool, *, shift: torch.Tensor) -> torch.Tensor:
        return self.linear(x) * (2 if double else 1) + shift


X = torch.randn(2, 4, generator=torch.Generator().manual_seed(0))
CASES: dict[str, tuple[Any, Any, dict[str, Any], int]] = {
    "inputs, outputs and a dict": (TwoInTwoOut, (X, torch.ones(2, 5)), {"dynamic_shapes": ({0: N}, {0: N})}, 2),
    "tied weights, integers": (Tied, (torch.tensor([[1, 6, 0], [2, 3, 4]]),), {"dynamic_shapes": ({0: N},)}, 1),
    "a Linear used twice": (Twice, (torch.ones(2, 6),), {}, 2),
    "LazyLinear": (lambda: nn.Sequential(nn.LazyLinear(5), nn.ReLU(), nn.LazyLinear(2)), (X,), {}, 2),
    "MultiheadAttention": (Attention, (torch.ones(2, 3, 8),), {}, 2),
    "LSTM": (Recurrent, (torch.ones(2, 3, 8),), {}, 1),
    "half": (lambda: nn.Linear(4, 3).half(), (X.half(),), {}, 1),
    "a switch and named inputs": (Options, {"x": X, "double": True, "shift": torch.ones(3)}, {}, 1),
    "scripted": (lambda: torch.jit.script(torch_files.mlp()), (X,), {}, 2),
    "BatchNorm and Dropout in training": (
        lambda: nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Dropout()).train(), (X,), {}, 1
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_live_module(tmp_path: Path, name: str) -> None:
    make, inputs, options, layers = CASES[name]
    torch.manual_seed(0)
    module = make()
    report = convert(module, tmp_path / "out.onnx", example_inputs=inputs, loading=Loading(**options))
    assert report.verified, report
    assert len(report.plan.layers) == layers
    assert not {"Gemm", "MatMul"} & set(ops(tmp_path / "out.onnx")) or name == "MultiheadAttention"
    assert_equals_pytorch(module, inputs, tmp_path / "out.onnx", 1e-2 if name == "half" else 1e-4)


def assert_equals_pytorch(module: nn.Module, inputs: Any, path: Path, tolerance: float) -> None:
    args, kwargs = ((), inputs) if isinstance(inputs, dict) else (inputs, {})
    if not isinstance(module, torch.jit.ScriptModule):
        module.eval()
    with torch.no_grad():
        leaves = torch.utils._pytree.tree_leaves(module(*args, **kwargs))
    tensors = [t for t in (*args, *kwargs.values()) if isinstance(t, torch.Tensor)]
    inputs_of = [entry.name for entry in onnx.load(path).graph.input]
    found = run(path, dict(zip(inputs_of, (t.numpy() for t in tensors), strict=True)))
    assert_close(found, [leaf.numpy() for leaf in leaves if leaf is not None], tolerance)


def test_bfloat16_has_a_reason_and_can_be_converted_where_nothing_runs_it(tmp_path: Path) -> None:
    module, x = nn.Linear(4, 3).bfloat16(), X.bfloat16()
    for opset, code in ((20, "FC2C-UNSUPPORTED-DTYPE"), (22, "FC2C-UNVERIFIABLE")):
        (skip,) = inspect(module, example_inputs=(x,), loading=Loading(opset=opset)).plan.skips
        assert skip.reason.code == code
    report = convert(
        module, tmp_path / "a.onnx", example_inputs=(x,), allow_unverifiable=True, loading=Loading(opset=22)
    )
    assert report.verified, report
    assert report.verification is not None
    assert report.verification.export is not None
    assert report.verification.export.engine == "PyTorch and ONNX's reference evaluator"
    assert ops(tmp_path / "a.onnx").count("Conv") == 1


def test_an_lstm_has_a_reason() -> None:
    plan = inspect(Recurrent(), example_inputs=(torch.ones(2, 3, 8),)).plan
    assert [skip.reason.code for skip in plan.skips] == ["FC2C-RECURRENT"]
    assert not plan.left


def test_torchao(tmp_path: Path) -> None:
    quantization = pytest.importorskip("torchao.quantization")
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 8)).eval()
    quantization.quantize_(module, quantization.Int8WeightOnlyConfig())
    x = torch.randn(2, 32)
    report = convert(module, tmp_path / "out.onnx", example_inputs=(x,))
    assert report.verified, report
    assert len(report.plan.layers) == 2
    assert_equals_pytorch(module, (x,), tmp_path / "out.onnx", 1e-4)


def test_both_steps_stand_in_the_report_as_text_and_as_json(tmp_path: Path) -> None:
    report = convert(torch_files.program(tmp_path / "a.pt2"))
    assert report.output == tmp_path / "a.conv.onnx"
    assert report.verification is not None
    assert report.verification.export is not None
    assert report.verification.original == tmp_path / "a.pt2"
    assert report.verification.export.original == tmp_path / "a.pt2"
    assert report.verification.cases == report.verification.export.cases
    text = str(report)
    assert "export deviation, PyTorch to exported ONNX: " in text
    assert "of max |ref|, same in 9 runs" in text
    assert "rewrite deviation, exported ONNX to converted ONNX:\n" in text
    content = json.loads(render_json(report))
    assert content["verification"]["export"]["engine"] == "PyTorch and onnxruntime"
    assert content["verification"]["export"]["outputs"][0]["passed"] is True
    rewrite = ["check", "infer", "plan", "solve", "report", "emit", "save", "verify"]
    assert list(content["seconds"]) == ["import torch", "load", "export", *rewrite]
    verbose = render(report, width=None, color=False, verbose=True)
    assert "seconds: import torch " in verbose
    assert verbose.count("max |delta|") == 2


class Sneaky(nn.Module):
    """Does something else when it is exported than when it runs."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x) * (1.0 if torch.compiler.is_exporting() else 1.01)


def test_an_export_that_deviates_is_not_blamed_on_the_rewrite(tmp_path: Path) -> None:
    module = Sneaky()
    report = convert(module, tmp_path / "out.onnx", example_inputs=(X,))
    assert (report.status, report.passed, report.output) == ("different", False, None)
    assert names(tmp_path) == []
    assert report.verification is not None
    assert report.verification.agrees
    assert not report.verification.passed
    assert (
        str(report)
        .rstrip()
        .endswith("the exported ONNX does not agree with PyTorch; that is the export, not the rewrite: nothing written")
    )
    convert(module, tmp_path / "out.onnx", example_inputs=(X,), verify=False)
    again = verify(module, tmp_path / "out.onnx", example_inputs=(X,))
    assert not again.passed
    assert "verdict: DIFFERENT: it is the export that does not agree with PyTorch, not the rewrite" in str(again)
    assert "would pass with --rtol" not in str(again)


def test_a_rewrite_that_deviates_is_not_blamed_on_the_export(tmp_path: Path) -> None:
    path = torch_files.program(tmp_path / "a.pt2")
    convert(path, tmp_path / "out.onnx")
    proto = onnx.load(tmp_path / "out.onnx")
    weight = max(proto.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    array = onnx.numpy_helper.to_array(weight) * np.float32(1.1)
    weight.CopyFrom(onnx.numpy_helper.from_array(array, weight.name))
    onnx.save(proto, tmp_path / "out.onnx")
    report = verify(path, tmp_path / "out.onnx")
    assert not report.agrees
    assert report.export is not None
    assert report.export.passed
    assert "verdict: DIFFERENT\n" in str(report)


class Vacuous(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.linear(x * 0), self.linear(x)


def test_an_output_that_does_not_change_is_said_of_pytorch_and_onnx_models(tmp_path: Path) -> None:
    module = Vacuous()
    report = convert(module, tmp_path / "out.onnx", example_inputs=(X,), loading=Loading(keep_export=True))
    assert report.export == tmp_path / "Vacuous.export.onnx"
    for found in (report.verification, verify(report.export, tmp_path / "out.onnx")):
        assert found is not None
        first, second = found.outputs
        (note,) = first.notes
        assert note.startswith("it does not change with the input, so this shows nothing of what is before it; give in")
        assert second.notes == ()


def test_keep_export(tmp_path: Path) -> None:
    path, loading = torch_files.program(tmp_path / "a.pt2"), Loading(keep_export=True)
    report = convert(path, loading=loading)
    assert report.export == tmp_path / "a.export.onnx"
    assert "kept the export" in str(report)
    assert "Gemm" in ops(report.export)
    assert verify(report.export, tmp_path / "a.conv.onnx").passed
    (tmp_path / "a.conv.onnx").unlink()
    before = report.export.read_bytes()
    with pytest.raises(FC2ConvError, match=r"a\.export\.onnx: already exists"):
        convert(path, loading=loading)
    assert names(tmp_path) == ["a.export.onnx", "a.pt2"]
    assert report.export.read_bytes() == before
    assert convert(path, loading=loading, force=True).verified
    with pytest.raises(FC2ConvError, match="a dry run writes nothing"):
        convert(path, loading=loading, dry_run=True)


def test_a_live_module_needs_a_name_for_the_output_unless_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(FC2ConvError, match="has no file to write beside"):
        convert(torch_files.mlp(), example_inputs=(X,))
    report: ConversionReport = convert(torch_files.mlp(), example_inputs=(X,), dry_run=True)
    assert report.status == "planned"


def test_a_live_program(tmp_path: Path) -> None:
    program = torch.export.export(torch_files.mlp(), (X,), dynamic_shapes=({0: N},))
    assert convert(program, tmp_path / "out.onnx").verified


@pytest.mark.parametrize("name", ["out", "in"])
def test_the_output_is_never_the_input(tmp_path: Path, name: str) -> None:
    path = torch_files.program(tmp_path / "in")
    before = path.read_bytes()
    if name == "in":
        with pytest.raises(FC2ConvError, match="the output is the input itself"):
            convert(path, path, force=True)
    else:
        convert(path, tmp_path / name)
    assert path.read_bytes() == before


class Dropping(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear, self.drop = nn.Linear(4, 3), nn.Dropout(0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.drop(self.linear(x))


class Drawing(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x + torch.randn_like(x))


@pytest.mark.parametrize(
    ("module", "advice"), [(Dropping(), r"call model.eval\(\) before torch.export.export"), (Drawing(), "draws random")]
)
def test_random_programs_say_what_to_do_in_pytorch(tmp_path: Path, module: nn.Module, advice: str) -> None:
    path = torch_files.program(tmp_path / "a.pt2", module.train(), X, dynamic=False)
    with pytest.raises(FC2ConvError, match=advice) as caught:
        convert(path)
    assert "seed" not in caught.value.hint
    assert "--allow-unverifiable" not in caught.value.hint


def test_bfloat16_says_which_options_convert_it(tmp_path: Path) -> None:
    module, x = torch_files.mlp().bfloat16(), torch.ones(2, 4, dtype=torch.bfloat16)
    path = torch_files.program(tmp_path / "a.pt2", module, x)
    assert "FC2C-UNSUPPORTED-DTYPE: Give --opset 22 --allow-unverifiable" in str(inspect(path))
    with pytest.raises(FC2ConvError, match="--opset 22 --allow-unverifiable"):
        convert(path, tmp_path / "out.onnx")
    report = convert(path, tmp_path / "out.onnx", allow_unverifiable=True, loading=Loading(opset=22))
    assert report.verified
    assert "same in 9 runs (PyTorch and ONNX's reference evaluator)" in str(report)


@pytest.mark.parametrize("output", [None, "out.onnx"])
def test_an_output_that_exists_is_found_before_anything_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str | None
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("the model was opened")

    path = torch_files.program(tmp_path / "a.pt2")
    target = tmp_path / (output or "a.conv.onnx")
    target.write_bytes(b"before")
    monkeypatch.setattr("fc2conv_cli.pipeline.conversion.open_source", never)
    with pytest.raises(FC2ConvError, match="already exists"):
        convert(path, None if output is None else target)
    target.rename(tmp_path / "a.export.onnx")
    with pytest.raises(FC2ConvError, match=r"a\.export\.onnx: already exists"):
        convert(path, None if output is None else target, loading=Loading(keep_export=True))


def test_a_traced_lstm_that_was_compared_at_two_batches(tmp_path: Path) -> None:
    path = torch_files.script(tmp_path / "a.pt", Recurrent().eval(), torch.randn(2, 5, 8))
    loading = Loading(inputs=("x:Nx5x8",))
    assert "one batch size" in str(convert(path, tmp_path / "unverified.onnx", verify=False, loading=loading))
    report = convert(path, loading=loading)
    assert report.verified
    assert "one batch size" not in str(report)
    assert report.output is not None
    assert "one batch size" not in str(verify(path, report.output, loading=loading))
