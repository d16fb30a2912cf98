from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from networks import Net, mlp

from fc2conv_cli import inspect
from fc2conv_cli.errors import UsageError
from fc2conv_cli.layout.solve import Wishes
from fc2conv_cli.reports.console import render


def test_a_stretch_ends_where_something_is_converted(tmp_path: Path) -> None:
    net = Net()
    x = net("Relu", net.linear("x", 4, 4))
    x = net("Tanh", net.linear(x, 4, 6))
    x = net("CumSum", x, net.constant(np.array(1)))
    net.nodes[-1].name = "opaque"
    onnx.save(net.build(["N", 4], net.linear(x, 6, 4)), tmp_path / "model.onnx")
    report = inspect(tmp_path / "model.onnx")
    first, second = report.stretches
    assert len(first.layers) == 2
    assert any("Relu" in name for name in first.nodes)
    assert len(second.layers) == 1
    assert "opaque" not in (*first.nodes, *second.nodes)
    assert f"stays 4-D: 2 layers, {first.layers[0]} to {first.layers[1]}" in str(report)


def test_isolated_layers_share_nothing(tmp_path: Path) -> None:
    onnx.save(mlp(3), tmp_path / "model.onnx")
    report = inspect(tmp_path / "model.onnx", wishes=Wishes(spread=False))
    assert [len(stretch.layers) for stretch in report.stretches] == [1, 1, 1]


def test_long_lists_are_cut_unless_verbose(tmp_path: Path) -> None:
    net, x = Net(), "x"
    for _ in range(10):
        x = net.linear(net("Relu", net.linear(x, 4, 4)), 4, 4)
        x = net("CumSum", x, net.constant(np.array(1)))
    onnx.save(net.build(["N", 4], x), tmp_path / "model.onnx")
    report = inspect(tmp_path / "model.onnx", wishes=Wishes(tokens="height"))
    texts = [render(report, width=None, color=False, verbose=verbose) for verbose in (False, True)]
    assert [text.count("stays 4-D") for text in texts] == [8, 10]


def test_decomposing_what_no_layout_reaches_is_refused() -> None:
    with pytest.raises(UsageError, match="isolated"):
        Wishes(spread=False, decompose_layernorm=True)
