from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers import assert_close, check, converted, model, ops, random, run, value
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper


@given(
    left=st.booleans(),
    trans_a=st.booleans(),
    trans_b=st.booleans(),
    batch_a=st.booleans(),
    batch_b=st.booleans(),
    alpha=st.sampled_from([1.0, 0.25, -3.0, 0.0]),
    batches=st.integers(0, 2),
)
def test_every_flag(
    tmp_path_factory: pytest.TempPathFactory,
    left: bool,
    trans_a: bool,
    trans_b: bool,
    batch_a: bool,
    batch_b: bool,
    alpha: float,
    batches: int,
) -> None:
    lead = [2, 3][:batches]
    batch_a, batch_b = batch_a and batches > 0, batch_b and batches > 0
    a = stored([*lead, 5, 4], trans_a, batch_a)
    b = stored([*lead, 4, 6], trans_b, batch_b)
    x, w = (b, a) if left else (a, b)
    node = helper.make_node(
        "FusedMatMul", ["w", "x"] if left else ["x", "w"], ["y"], name="fc", domain="com.microsoft", alpha=alpha,
        transA=int(trans_a), transB=int(trans_b), transBatchA=int(batch_a), transBatchB=int(batch_b),
    )  # fmt: skip
    shape = [*lead, 5, 6]
    proto = model([node], [value("x", x)], [value("y", shape)], {"w": random(w)}, extra_opsets={"com.microsoft": 1})
    result = check(proto, tmp_path_factory.mktemp("fused"), [x])
    assert "FusedMatMul" not in result
    assert result.count("Conv") == 1


def stored(shape: list[int], trans: bool, batch: bool) -> list[int]:
    if trans:
        shape = [*shape[:-2], shape[-1], shape[-2]]
    return [shape[-2], *shape[:-2], shape[-1]] if batch else shape


def test_dynamic_dims(tmp_path: Path) -> None:
    node = helper.make_node("FusedMatMul", ["x", "w"], ["y"], name="fc", domain="com.microsoft", transB=1, alpha=0.5)
    proto = model(
        [node],
        [value("x", ["N", "S", 4])],
        [value("y", ["N", "S", 3])],
        {"w": random((3, 4))},
        extra_opsets={"com.microsoft": 1},
    )
    assert check(proto, tmp_path, [(1, 1, 4), (3, 2, 4)]).count("Conv") == 1


def test_alpha_where_the_output_is_stored_as_it_is(tmp_path: Path) -> None:
    """Integers take no factor, and no layout node stands between the convolution and what follows it."""
    constants = {"q": np.arange(8, dtype=np.int8).reshape(1, 8), "s": np.float32(0.1).reshape(())}
    nodes = [
        helper.make_node("DequantizeLinear", ["q", "s"], ["w"]),
        helper.make_node("FusedMatMul", ["w", "x"], ["y"], name="fc", domain="com.microsoft", alpha=0.25),
    ]
    proto = model(
        nodes, [value("x", ["N", 1, 8, 5])], [value("y", ["N", 1, 1, 5])], constants, extra_opsets={"com.microsoft": 1}
    )
    path, report = converted(proto, tmp_path)
    assert report.verified
    assert ops(path).count("Mul") == 1
    x = {"x": random((3, 1, 8, 5))}
    assert_close(run(path, x), run(proto, x))
