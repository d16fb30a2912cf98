from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
import torch_files
from helpers import SAMPLES
from torch import nn

from fc2conv_cli.frontends.pytorch.program_check import complaint


class Shapes(nn.Module):
    """Sizes in many expressions."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, m = x.shape
        y = x.reshape(n * m).repeat(2)[: n * m // 2 + m % 2 + max(n, m)]
        return torch.cat([y, x.new_zeros(n * 3 - 1)]).sin() + y.sum()


def test_programs_of_torch_itself_pass(tmp_path: Path) -> None:
    assert complaint(SAMPLES / "digits_cnn.pt2") is None
    dims = (torch.export.Dim("n", min=2), torch.export.Dim("m", min=3))
    program = torch.export.export(Shapes(), (torch.ones(4, 6),), dynamic_shapes=({0: dims[0], 1: dims[1]},))
    torch.export.save(program, tmp_path / "a.pt2")
    text = (tmp_path / "a.pt2").read_bytes()
    assert b"FloorDiv" in text or b"Mod(" in text  # so that this test asks something
    assert complaint(tmp_path / "a.pt2") is None


def test_operators_that_are_spelled_as_in_python(tmp_path: Path) -> None:
    class Bits(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (x & 3) << 1

    path = torch_files.program(tmp_path / "a.pt2", Bits(), torch.ones(2, 3, dtype=torch.int32))
    assert b"aten.__lshift__" in path.read_bytes()
    assert complaint(path) is None


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os').system('true')",
        "().__class__.__base__",
        "exec('1')",
        "open('x')",
        "[s0 for s0 in (1,)]",
        "lambda: 1",
        "Symbol('s0; exit()')",
        "Symbol('s0').func",
        "f'{1}'",
        "1 +",
        "_x",
        "getattr(Symbol, 'x')",
    ],
)
def test_sizes_that_are_no_arithmetic(tmp_path: Path, expression: str) -> None:
    def change(name: str, content: bytes) -> bytes:
        evil = b'"expr_str": ' + json.dumps(expression).encode()
        return re.sub(rb'"expr_str": "[^"]*"', lambda _: evil, content) if name == "models/model.json" else content

    path = torch_files.replace_members(torch_files.program(tmp_path / "a.pt2"), change)
    found = complaint(path)
    assert found is not None
    assert found.endswith("is no arithmetic")


@pytest.mark.parametrize(
    "target",
    [
        "torch.serialization.os.system",
        "torch.ops.aten.from_file.default",
        "torch.load",
        "torch.hub.load",
        "_operator.methodcaller",
        "_operator.attrgetter",
        "math.__loader__.load_module",
        "torch.ops.aten.relu.default.__globals__",
        "#extension:x",
        "torch.ops.load_library.__call__",
        "torch.ops.aten.__class__",
    ],
)
def test_calls_that_are_no_operators(tmp_path: Path, target: str) -> None:
    def change(name: str, content: bytes) -> bytes:
        return content.replace(b"torch.ops.aten.relu.default", target.encode()) if name.endswith(".json") else content

    path = torch_files.replace_members(torch_files.program(tmp_path / "a.pt2"), change)
    assert complaint(path) == f"its graph calls {target!r}"


@pytest.mark.parametrize(
    "context", [{"default_factory_module": "os", "default_factory_name": "getcwd"}, {"__enum__": True, "fqn": "os:x"}]
)
def test_classes_to_import_however_deep(tmp_path: Path, context: dict[str, object]) -> None:
    spec = json.dumps([1, {"type": "collections.defaultdict", "context": " " + json.dumps(context)}])

    def change(name: str, content: bytes) -> bytes:
        if name != "models/model.json":
            return content
        model = json.loads(content)
        model["graph_module"]["module_call_graph"][0]["signature"]["in_spec"] = json.dumps(spec)
        return json.dumps(model).encode()

    path = torch_files.replace_members(torch_files.program(tmp_path / "a.pt2"), change)
    found = complaint(path)
    assert found is not None
    assert found.startswith("its inputs name a class to import")


def test_whatever_is_in_the_folder_of_models_is_read_as_json_by_any_name(tmp_path: Path) -> None:
    path = torch_files.program(tmp_path / "a.pt2")
    for name in ("models/other.jsox", "models/data/weights/weight_0", "unknown"):
        evil = json.dumps({"deep": [{"expr_str": "open('x')"}]}).encode()
        forged = torch_files.add_member(Path(shutil.copy(path, tmp_path / "b.pt2")), name, evil)
        assert complaint(forged) == "the size \"open('x')\" is no arithmetic"


def test_what_is_nested_too_deeply(tmp_path: Path) -> None:
    deep = b"[" * 200_000 + b"]" * 200_000
    path = torch_files.add_member(torch_files.program(tmp_path / "a.pt2"), "models/b.json", deep)
    assert complaint(path) == "it is nested too deeply to be looked through"


def test_compiled_code(tmp_path: Path) -> None:
    path = torch_files.add_member(torch_files.program(tmp_path / "a.pt2"), "data/aotinductor/model/x.so", b"x")
    assert complaint(path) == "'a/data/aotinductor/model/x.so' in it is compiled code"
