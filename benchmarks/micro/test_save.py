"""How long a draft takes to write: many small weights, and one large one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
from deep import write_chain

from fc2conv_cli.frontends.onnx_file import load
from fc2conv_cli.save import draft


def _write(model: ir.Model, target: Path, *, external: bool) -> int:
    with draft(model, target, external=external) as written:
        return (written.data or written.path).stat().st_size


def test_many_small_weights(benchmark: Callable[..., Any], tmp_path: Path) -> None:
    model = load(write_chain(tmp_path / "chain.onnx", 200))
    assert benchmark(_write, model, tmp_path / "out.onnx", external=False) > 200 * 80


def test_one_large_weight(benchmark: Callable[..., Any], tmp_path: Path) -> None:
    model = load(write_chain(tmp_path / "chain.onnx", 1))
    model.graph.initializers["w0"].const_value = ir.tensor(np.ones((4, 2**22), np.float32), name="w0")
    assert benchmark(_write, model, tmp_path / "out.onnx", external=True) >= 2**26
