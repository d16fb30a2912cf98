from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
import torch_files
from torch import nn

from fc2conv_cli.errors import PyTorchFileError, UnsafeFileError
from fc2conv_cli.frontends.pytorch.programs import load_program, network_of


def test_inputs_come_from_the_program(tmp_path: Path) -> None:
    network = load_program(torch_files.program(tmp_path / "a.pt2"), unsafe=False)
    assert [tuple(t.shape) for t in network.args] == [(2, 4)]
    torch.testing.assert_close(network.module(torch.ones(3, 4)), torch_files.mlp()(torch.ones(3, 4)))


def test_a_program_that_holds_no_inputs() -> None:
    program = torch.export.export(torch_files.mlp(), (torch.ones(2, 4),), dynamic_shapes=({0: torch.export.Dim("N")},))
    program.example_inputs = None
    network = network_of(program)
    ((x,), kwargs) = (network.args, network.kwargs)
    assert (x.shape[1], x.dtype, kwargs) == (4, torch.float32, {})
    assert network.module(x).shape == (x.shape[0], 3)


class Constant(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear, self.table = nn.Linear(4, 3), torch.arange(3.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x) + self.table


def in_inputs(path: Path, witness: Path) -> None:
    evil = torch_files.evil_save(witness)
    torch_files.replace_members(path, lambda name, old: evil if name == "data/sample_inputs/model.pt" else old)


def in_weights(path: Path, witness: Path) -> None:
    def change(name: str, content: bytes) -> bytes:
        if name == "data/weights/model_weights_config.json":
            return content.replace(b'"use_pickle": false', b'"use_pickle": true')
        return torch_files.evil_save(witness) if name.startswith("data/weights/") else content

    torch_files.replace_members(path, change)


def in_constants(path: Path, witness: Path) -> None:
    def change(name: str, content: bytes) -> bytes:
        if name == "data/constants/model_constants_config.json":
            config = json.loads(content)
            (entry,) = config["config"].values()
            entry.update(path_name="opaque_obj_0", use_pickle=True)
            return json.dumps(config).encode()
        return content

    torch_files.replace_members(path, change)
    torch_files.add_member(path, "data/constants/opaque_obj_0", torch_files.evil_pickle(witness))


def in_legacy_weights(path: Path, witness: Path) -> None:
    torch_files.add_member(path, "data/weights/model.pt", torch_files.evil_save(witness))


def in_sizes(path: Path, witness: Path) -> None:
    code = json.dumps(f"__import__('pathlib').Path({str(witness)!r}).touch()").encode()

    def change(name: str, content: bytes) -> bytes:
        if name != "models/model.json":
            return content
        return re.sub(rb'"expr_str": "[^"]*"', lambda _: b'"expr_str": ' + code, content)

    torch_files.replace_members(path, change)


@pytest.mark.parametrize("poison", [in_inputs, in_weights, in_constants, in_legacy_weights, in_sizes])
def test_a_poisoned_program(tmp_path: Path, poison) -> None:  # type: ignore[no-untyped-def]
    path, witness = torch_files.program(tmp_path / "a.pt2", Constant()), tmp_path / "witness"
    poison(path, witness)
    with pytest.raises(UnsafeFileError, match="run code") as caught:
        load_program(path, unsafe=False)
    assert not witness.exists()
    assert "--unsafe-load" in caught.value.hint
    with pytest.raises(PyTorchFileError):  # it is of no use, but it was dangerous
        load_program(path, unsafe=True)
    assert witness.exists()


def test_damaged_programs(tmp_path: Path) -> None:
    path = torch_files.program(tmp_path / "a.pt2")
    torch_files.replace_members(path, lambda name, old: b"{}" if name == "models/model.json" else old)
    with pytest.raises(PyTorchFileError, match="cannot load the program, it is damaged or of another version"):
        load_program(path, unsafe=False)
