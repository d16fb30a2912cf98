from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fc2conv_cli.errors import UsageError
from fc2conv_cli.frontends.kinds import Kind
from fc2conv_cli.frontends.loading import Loading

EVERY = {
    "--input": {"inputs": ("x:1x4",)},
    "--model": {"model": "a:b"},
    "--import-path": {"import_paths": (Path(),)},
    "--unsafe-load": {"unsafe": True},
    "--opset": {"opset": 18},
    "--keep-export": {"keep_export": True},
    "example_inputs": {"example_inputs": ()},
    "dynamic_shapes": {"dynamic_shapes": {}},
}
USED = {
    Kind.ONNX: {"--input"},  # it gives sizes to the dims that are compared
    Kind.PROGRAM: {"--unsafe-load", "--opset", "--keep-export"},
    Kind.TORCHSCRIPT: {"--input", "--unsafe-load", "--opset", "--keep-export"},
    Kind.PICKLE: {"--input", "--model", "--import-path", "--unsafe-load", "--opset", "--keep-export"},
    Kind.SAFETENSORS: {"--input", "--model", "--import-path", "--opset", "--keep-export"},
}


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("option", EVERY)
def test_what_does_nothing_is_refused(kind: Kind, option: str) -> None:
    given: dict[str, Any] = EVERY[option]
    loading = Loading(**given)
    if option in USED[kind]:
        loading.refuse_idle(Path("m"), kind)
        return
    with pytest.raises(UsageError, match=f"^{option}: no use for m, which is {kind.value}"):
        loading.refuse_idle(Path("m"), kind)


def test_all_that_do_nothing_are_named_at_once() -> None:
    with pytest.raises(UsageError, match=r"^--model, --opset: no use"):
        Loading(model="a:b", opset=18).refuse_idle(Path("m"), Kind.ONNX)
