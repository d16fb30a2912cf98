from __future__ import annotations

from pathlib import Path

import pytest
from helpers import converted, inspect_skips, model, ops, random, value
from onnx import helper


@pytest.mark.parametrize(("op_type", "gates"), [("LSTM", 4), ("GRU", 3), ("RNN", 1)])
def test_the_products_inside_stay_with_a_reason_and_what_follows_is_converted(
    tmp_path: Path, op_type: str, gates: int
) -> None:
    constants = {"w": random((1, gates * 6, 4)), "r": random((1, gates * 6, 6)), "v": random((6, 3))}
    nodes = [
        helper.make_node(op_type, ["x", "w", "r"], ["states"], name="cell", hidden_size=6),
        helper.make_node("MatMul", ["states", "v"], ["y"], name="head"),
    ]
    proto = model(nodes, [value("x", [5, "N", 4])], [value("y", [5, 1, "N", 3])], constants)
    (skip,) = inspect_skips(proto, tmp_path)
    assert skip[:2] == ("cell", "FC2C-RECURRENT")
    path, report = converted(proto, tmp_path, strict=True)
    assert report.verified
    assert op_type in ops(path)
    assert "MatMul" not in ops(path)
