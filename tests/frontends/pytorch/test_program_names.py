from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch_files
from torch import nn

from fc2conv_cli.errors import PyTorchFileError, UnsafeFileError
from fc2conv_cli.frontends.pytorch import programs
from fc2conv_cli.frontends.pytorch.program_check import complaint
from fc2conv_cli.frontends.pytorch.program_names import is_guard, names_of_kwargs
from fc2conv_cli.frontends.pytorch.programs import load_program

Model = dict[str, Any]


def forged(path: Path, change: Callable[[Model], None]) -> Path:
    """A program whose description is changed."""

    def edit(name: str, content: bytes) -> bytes:
        if name != "models/model.json":
            return content
        model = json.loads(content)
        change(model)
        return json.dumps(model).encode()

    return torch_files.replace_members(torch_files.program(path), edit)


def in_guards(model: Model, code: str) -> None:
    model["guards_code"] = [code]


def in_arguments(model: Model, code: str) -> None:
    for call in model["graph_module"]["module_call_graph"]:
        if call["signature"]:
            call["signature"]["forward_arg_names"] = [f'x={code} or """):\n    pass\n#']


def in_kwargs(model: Model, code: str) -> None:
    for call in model["graph_module"]["module_call_graph"]:
        if call["signature"]:
            version, spec = json.loads(call["signature"]["in_spec"])
            spec["children_spec"][1]["context"] = json.dumps([f"x={code}"])
            call["signature"]["in_spec"] = json.dumps([version, spec])


def in_placeholders(model: Model, code: str) -> None:
    model["graph_module"]["graph"]["inputs"][-1]["as_tensor"]["name"] = f"x={code}"


def in_constants(model: Model, code: str) -> None:
    value = {"as_string": f"' + str({code}) + '"}
    model["graph_module"]["signature"]["input_specs"].append({"constant_input": {"name": "x", "value": value}})


@pytest.mark.parametrize("place", [in_guards, in_arguments, in_kwargs, in_placeholders, in_constants])
def test_source_where_a_name_belongs(tmp_path: Path, place: Callable[[Model, str], None]) -> None:
    witness = tmp_path / "witness"
    path = forged(tmp_path / "a.pt2", lambda model: place(model, f"open({str(witness)!r}, 'w')"))
    with pytest.raises(UnsafeFileError, match="loading it would run code") as caught:
        load_program(path, unsafe=False)
    assert "--unsafe-load" in caught.value.hint
    assert not witness.exists()


def test_source_where_the_name_of_a_weight_belongs(tmp_path: Path) -> None:
    evil = json.dumps('a", open("/dev/null", "w")) #').encode()
    path = torch_files.replace_members(
        torch_files.program(tmp_path / "a.pt2"),
        lambda name, old: old.replace(b'"0.weight"', evil) if name.endswith("weights_config.json") else old,
    )
    assert "is no name that PyTorch gives" in str(complaint(path))


def test_notes_may_say_anything_but_a_weight_by_their_name_may_not(tmp_path: Path) -> None:
    def change(model: Model) -> None:
        model["graph_module"]["graph"]["nodes"][0]["metadata"]["stack_trace"] = 'File "a b.py", line 1\n  f("x")'

    assert complaint(forged(tmp_path / "a.pt2", change)) is None
    config = {"config": {"metadata": {"path_name": "opaque_obj_0"}}}
    path = torch_files.add_member(tmp_path / "a.pt2", "data/constants/x.json", json.dumps(config).encode())
    assert complaint(path) == "'opaque_obj_0' holds an object that is no tensor"


class Program(nn.Module):
    """A program within a program: it keeps what it is told when it is loaded."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + 1


@pytest.mark.parametrize("member", ["data/sample_inputs/model.pt", "data/weights/weight_0"])
def test_a_torchscript_archive_within(tmp_path: Path, member: str) -> None:
    inner = torch_files.script(tmp_path / "inner.ts", Program()).read_bytes()
    path = torch_files.program(tmp_path / "a.pt2")
    torch_files.replace_members(path, lambda name, old: inner if name == member else old)
    with pytest.raises(UnsafeFileError, match="is a TorchScript archive, which runs a program of its own"):
        load_program(path, unsafe=False)


@pytest.mark.parametrize(
    "code",
    [
        "L['x'].size()[0] % 8 == 0",
        "2 <= L['args'][0].size()[1] and L['opt']['k q'].stride()[0] != 1",
        "max(L['x'].size()[0], 3) // 2 + math.floor(L['x'].size()[0] / 2) > -1",
    ],
)
def test_guards_of_torch(code: str) -> None:
    assert is_guard(code)


@pytest.mark.parametrize(
    "code",
    [
        "open('x')",
        "L['x'].__class__",
        "L['x'].tofile('x')",
        "exec('1')",
        "(lambda: 1)()",
        "[x for x in L]",
        "L['\"']",
        "1 #",
        "1\n",
        "1 +",
        "L['x'].size(a=1)",
        "(" * 500 + "1" + ")" * 500,
    ],
)
def test_guards_of_others(code: str) -> None:
    assert not is_guard(code)


@pytest.mark.parametrize("text", ["", "[1]", "1", '[1, {"children_spec": [1, 2]}]', '[1, {"children_spec": []}]'])
def test_inputs_of_another_form_name_nothing(text: str) -> None:
    assert list(names_of_kwargs(text)) == []


@pytest.mark.parametrize("target", ["torch.ops.debugprims.load_tensor.default", "torch.ops.higher_order.print"])
def test_operators_that_do_more_than_compute(tmp_path: Path, target: str) -> None:
    def change(model: Model) -> None:
        model["graph_module"]["graph"]["nodes"][0]["target"] = target

    assert complaint(forged(tmp_path / "a.pt2", change)) == f"its graph calls {target!r}"


class RunsWhenItLoads(nn.Module):
    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    @torch.jit.export
    def __getstate__(self) -> tuple[str, bool]:
        return self.path, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[str, bool]) -> None:
        self.path, self.training = state
        torch.save(torch.zeros(1), self.path)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + 1


@pytest.mark.parametrize("member", ["data/sample_inputs/model.pt", "data/weights/weight_0"])
def test_a_torchscript_archive_that_was_overlooked_does_not_run_either(
    tmp_path: Path, member: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    witness = tmp_path / "witness"
    inner = torch_files.script(tmp_path / "inner.ts", RunsWhenItLoads(str(witness))).read_bytes()

    def change(name: str, old: bytes) -> bytes:
        if "weight_" in member:
            old = old.replace(b'"use_pickle": false', b'"use_pickle": true')
        return inner if name == member else old

    path = torch_files.replace_members(torch_files.program(tmp_path / "a.pt2"), change)
    monkeypatch.setattr(programs, "complaint", lambda _: None)
    with pytest.raises(PyTorchFileError):
        load_program(path, unsafe=False)
    assert not witness.exists()
    with pytest.raises(PyTorchFileError):
        load_program(path, unsafe=True)
    assert witness.exists()  # so that this test asks something
