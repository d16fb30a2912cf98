from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
import torch_files
from helpers import SAMPLES

from fc2conv_cli.errors import UsageError
from fc2conv_cli.frontends.loading import Loading
from fc2conv_cli.frontends.source import open_source
from fc2conv_cli.timing import Stopwatch


def test_an_onnx_file_is_taken_as_it_is() -> None:
    path = SAMPLES / "mlp.onnx"
    with open_source(str(path), Loading(), Stopwatch()) as source:
        assert (source.path, source.onnx, source.eager) == (path, path, None)
        assert not source.exported


def test_a_pytorch_file_is_exported_and_the_export_goes_away() -> None:
    with open_source(SAMPLES / "digits_cnn.pt2", Loading(), Stopwatch()) as source:
        assert source.path == SAMPLES / "digits_cnn.pt2"
        assert source.onnx.name == "digits_cnn.export.onnx"
        assert source.exported
        onnx.checker.check_model(str(source.onnx))
        assert source.eager is not None
        assert list(source.watch.seconds) == ["import torch", "load", "export"]
    assert not source.onnx.parent.exists()


def test_a_live_module_goes_by_the_name_of_its_class() -> None:
    with open_source(torch_files.mlp(), Loading(example_inputs=(torch.ones(1, 4),)), Stopwatch()) as source:
        assert (source.path, source.is_file) == (Path("Sequential"), False)


@pytest.mark.parametrize(
    ("model", "options", "words"),
    [
        (42, {}, "a int is no model"),
        (torch.nn.Linear(2, 2), {}, "needs example inputs"),
        (torch.nn.Linear(2, 2), {"inputs": ("x:1x2",), "unsafe": True}, "is loaded already"),
        (torch.nn.Linear(2, 2), {"inputs": ("x:1x2",), "model": "a:b"}, "is loaded already"),
        (torch.export.export(torch.nn.Linear(2, 2), (torch.ones(1, 2),)), {"inputs": ("x:1x2",)}, "says itself"),
    ],
)
def test_live_models_that_cannot_be_used(model: object, options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words), open_source(model, Loading(**options), Stopwatch()):
        pass
