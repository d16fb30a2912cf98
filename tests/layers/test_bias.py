from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers import assert_close, check, converted, matmul, model, ops, random, run, value
from onnx import helper


@pytest.mark.parametrize("shape", [(), (3,), (1,), (1, 3), (1, 1, 3), (1, 1, 1)])
@pytest.mark.parametrize("first", [False, True])
def test_biases_of_any_rank_and_operand_order(tmp_path: Path, shape: tuple[int, ...], first: bool) -> None:
    proto = matmul(["N", "S", 4], random((4, 3)), random(shape))
    if first:
        proto.graph.node[1].input[:] = ["b", "z"]
    assert "Add" not in check(proto, tmp_path, [(1, 1, 4), (3, 2, 4)])


def test_a_bias_of_higher_rank_raises_the_rank_of_the_output(tmp_path: Path) -> None:
    left = check(matmul(["N", 4], random((4, 3)), random((1, 1, 3))), tmp_path, [(1, 4), (3, 4)])
    assert "Add" not in left


def test_a_bias_repeated_for_every_token_is_a_bias(tmp_path: Path) -> None:
    b = np.tile(random((1, 1, 3)), (1, 5, 1))
    assert "Add" not in check(matmul([2, 5, 4], random((4, 3)), b), tmp_path, [(2, 5, 4)])


@pytest.mark.parametrize(
    ("x", "b"),
    [
        ([2, 5, 4], (1, 5, 3)),  # a positional embedding
        ([2, 5, 4], (5, 1)),  # varies along tokens
        (["N", 4], (2, 3)),  # a batch of 1 would become 2
        ([1, 4], (2, 3)),  # makes the output larger
        ([2, 4], (2, 1, 3)),  # makes the output larger
    ],
)
def test_what_varies_along_positions_stays_an_add(tmp_path: Path, x: list, b: tuple[int, ...]) -> None:
    shape = [2 if d == "N" else d for d in x]
    assert check(matmul(x, random((4, 3)), random(b)), tmp_path, [shape]).count("Add") == 1


def test_equal_rows_do_not_hide_a_batch_that_grows(tmp_path: Path) -> None:
    proto = matmul(["N", 4], random((4, 3)), np.tile(random((1, 3)), (3, 1)))
    assert check(proto, tmp_path, [(1, 4), (3, 4)]).count("Add") == 1


def test_one_output_and_a_long_bias_is_a_broadcast(tmp_path: Path) -> None:
    assert check(matmul(["N", 4], random((4, 1)), random((6,))), tmp_path, [(2, 4)]).count("Add") == 1


def test_a_residual_is_no_bias(tmp_path: Path) -> None:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["z"], name="fc"), helper.make_node("Add", ["z", "x"], ["y"])]
    proto = model(nodes, [value("x", ["N", 4])], [value("y", ["N", 4])], {"w": random((4, 4))})
    assert check(proto, tmp_path, [(1, 4), (3, 4)]).count("Add") == 1


def test_an_add_of_the_result_to_itself(tmp_path: Path) -> None:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["z"], name="fc"), helper.make_node("Add", ["z", "z"], ["y"])]
    proto = model(nodes, [value("x", ["N", 4])], [value("y", ["N", 3])], {"w": random((4, 3))})
    assert check(proto, tmp_path, [(1, 4)]).count("Add") == 1


def test_a_result_that_is_read_elsewhere_is_kept(tmp_path: Path) -> None:
    proto = matmul(["N", 4], random((4, 3)), random((3,)))
    proto.graph.node.append(helper.make_node("Relu", ["z"], ["other"]))
    proto.graph.output.append(value("other", ["N", 3]))
    assert check(proto, tmp_path, [(1, 4), (3, 4)]).count("Add") == 1


def test_a_result_that_is_an_output_is_kept(tmp_path: Path) -> None:
    proto = matmul(["N", 4], random((4, 3)), random((3,)))
    proto.graph.output.append(value("z", ["N", 3]))
    assert check(proto, tmp_path, [(3, 4)]).count("Add") == 1


def test_a_gemm_takes_an_add_only_if_it_has_no_bias(tmp_path: Path) -> None:
    def proto(*inputs: str):  # type: ignore[no-untyped-def]
        nodes = [helper.make_node("Gemm", ["x", "w", *inputs], ["z"]), helper.make_node("Add", ["z", "b"], ["y"])]
        constants = {"w": random((4, 3)), "b": random((3,)), **({"c": random((3,), seed=9)} if inputs else {})}
        return model(nodes, [value("x", ["N", 4])], [value("y", ["N", 3])], constants)

    assert check(proto(), tmp_path, [(3, 4)]).count("Add") == 0
    assert check(proto("c"), tmp_path, [(3, 4)]).count("Add") == 1


@pytest.mark.parametrize(("axis", "absorbed"), [(None, True), (1, True), (-1, True), (0, False)])
def test_adds_before_opset_7_align_by_attribute(tmp_path: Path, axis: int | None, absorbed: bool) -> None:
    w, b = random((4, 4)), random((4,))
    attributes = {"broadcast": 1} if axis is None else {"broadcast": 1, "axis": axis}
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["z"], name="fc"),
        helper.make_node("Add", ["z", "b"], ["y"], **attributes),
    ]
    proto = model(nodes, [value("x", [4, 4])], [value("y", [4, 4])], {"w": w, "b": b}, opset=6, ir_version=3)
    path, _ = converted(proto, tmp_path, verify=False)
    assert ("Add" not in ops(path)) == absorbed
    if absorbed:
        x = random((4, 4), seed=1)
        assert_close(run(path, {"x": x}), [x @ w + b])
