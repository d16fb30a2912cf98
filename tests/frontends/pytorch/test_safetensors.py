from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
import torch
import torch_files

from fc2conv_cli.errors import PyTorchFileError
from fc2conv_cli.frontends.kinds import Kind, kind_of
from fc2conv_cli.frontends.pytorch.safetensors import load_safetensors

MADE_BY_SAFETENSORS = """
qAAAAAAAAAB7Im4iOnsiZHR5cGUiOiJJNjQiLCJzaGFwZSI6W10sImRhdGFfb2Zmc2V0cyI6WzAsOF19LCJ3Ijp7ImR0eXBlIjoi
RjMyIiwic2hhcGUiOlsyLDNdLCJkYXRhX29mZnNldHMiOls4LDMyXX0sImIiOnsiZHR5cGUiOiJCRjE2Iiwic2hhcGUiOlsyXSwi
ZGF0YV9vZmZzZXRzIjpbMzIsMzZdfX0gICAHAAAAAAAAAAAAAAAAAIA/AAAAQAAAQEAAAIBAAACgQMA/AMA=
"""
"""``safetensors.torch.save`` 0.8.0 of {"w": arange(6).float().view(2, 3), "b": [1.5, -2] in bfloat16, "n": 7}."""


def test_a_file_of_the_reference_implementation(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(base64.b64decode(MADE_BY_SAFETENSORS))
    assert kind_of(path) is Kind.SAFETENSORS
    tensors = load_safetensors(path)
    assert tensors["w"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert (tensors["b"].dtype, tensors["b"].tolist()) == (torch.bfloat16, [1.5, -2.0])
    assert (tensors["n"].shape, tensors["n"].item()) == ((), 7)


def test_types_shapes_and_empty_tensors(tmp_path: Path) -> None:
    given = {"h": torch.ones(3, dtype=torch.float16), "e": torch.ones(0, 4), "f": torch.tensor([True, False])}
    found = load_safetensors(torch_files.safetensors(tmp_path / "a", given))
    for name, tensor in given.items():
        torch.testing.assert_close(found[name], tensor)


def damaged(header: object, data: bytes = b"\0" * 16) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (damaged({})[:4] + b"\0\0\0\0{", "it ends within its header"),
        ((20).to_bytes(8, "little") + b"{" * 20, "Expecting"),
        (damaged({"w": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}, b"\0" * 15), "'w' does not fit"),
        (damaged({"w": {"dtype": "F32", "shape": [3], "data_offsets": [0, 16]}}), "'w' does not fit"),
        (damaged({"w": {"dtype": "F32", "shape": [-1, -4], "data_offsets": [0, 16]}}), "'w' does not fit"),
        (damaged({"w": {"dtype": "F32", "shape": [4], "data_offsets": [-16, 0]}}), "'w' does not fit"),
        (damaged({"w": {"dtype": "F7", "shape": [4], "data_offsets": [0, 16]}}), "of the type 'F7'"),
        (damaged({"w": {"shape": [4]}}), "damaged: its header does not describe tensors"),
        (damaged({"w": 3}), "damaged"),
        (damaged([]), "damaged"),
    ],
)
def test_damaged_files(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(PyTorchFileError, match="the safetensors file is truncated or damaged") as caught:
        load_safetensors(tmp_path / "a")
    assert words in caught.value.message
