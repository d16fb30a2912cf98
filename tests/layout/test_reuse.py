"""Weights that something else reads too are stored once where one arrangement serves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from helpers import INT64, assert_close, converted, model, ops, random, run, value
from onnx import TensorProto, helper, numpy_helper

VOCABULARY, WIDTH = 50, 16


def tied(*, transposed: bool, constant_node: bool = False, **extra: onnx.ValueInfoProto) -> onnx.ModelProto:
    """An embedding that Gather looks up and that gives the logits too: (V, D) with a Transpose, or stored as (D, V)."""
    table = random((VOCABULARY, WIDTH))
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["e"], axis=0),
        helper.make_node("Tanh", ["e"], ["t"]),
        helper.make_node("Transpose", ["table"], ["head"], perm=[1, 0]),
        helper.make_node("MatMul", ["t", "head"], ["y"], name="logits"),
    ]
    if transposed:  # Gather along the second axis of (D, V): its bytes are not those of the kernel
        table = np.ascontiguousarray(table.T)
        nodes[0] = helper.make_node("Gather", ["table", "ids"], ["g"], axis=1)
        nodes[2:] = [helper.make_node("MatMul", ["t", "table"], ["y"], name="logits")]
        nodes.insert(1, helper.make_node("Transpose", ["g"], ["e"], perm=[1, 2, 0]))
    constants = {"table": table}
    if constant_node:
        nodes.insert(0, helper.make_node("Constant", [], ["table"], value=numpy_helper.from_array(table, "table")))
        constants = {}
    outputs = [value("y", ["B", "S", VOCABULARY]), *extra.values()]
    return model(nodes, [value("ids", ["B", "S"], INT64)], outputs, constants)


def stored(path: Path) -> list[list[int]]:
    """Shapes of the float constants of a file."""
    graph = onnx.load(path).graph
    tensors = [*graph.initializer, *(a.t for n in graph.node if n.op_type == "Constant" for a in n.attribute)]
    return [list(t.dims) for t in tensors if t.data_type == TensorProto.FLOAT]


@pytest.mark.parametrize("constant_node", [False, True])
def test_a_tied_embedding_is_stored_once(tmp_path: Path, constant_node: bool) -> None:
    proto = tied(transposed=False, constant_node=constant_node)
    path, report = converted(proto, tmp_path)
    assert stored(path) == [[VOCABULARY, WIDTH, 1, 1]]
    assert not [note for note in report.notes if "more than once" in note]
    (conv,) = [n for n in onnx.load(path).graph.node if n.op_type == "Conv"]
    assert conv.input[1] in {i.name for i in onnx.load(path).graph.initializer}
    for size in (1, 3):
        ids = {"ids": np.random.default_rng(0).integers(0, VOCABULARY, (size, size + 1))}
        assert_close(run(path, ids), run(proto, ids))


def test_what_must_be_stored_twice_is_said_in_bytes(tmp_path: Path) -> None:
    path, report = converted(tied(transposed=True), tmp_path)
    assert sorted(stored(path)) == [[WIDTH, VOCABULARY], [VOCABULARY, WIDTH, 1, 1]]
    (note,) = [note for note in report.notes if "more than once" in note]
    assert "'table'" in note
    assert f"{VOCABULARY * WIDTH * 4:,} bytes more" in note


def test_a_weight_that_is_an_output_too(tmp_path: Path) -> None:
    proto = tied(transposed=False, table=value("table", [VOCABULARY, WIDTH]))
    path, report = converted(proto, tmp_path)
    assert {o.name for o in onnx.load(path).graph.output} == {"y", "table"}
    assert [note for note in report.notes if "more than once" in note]
    ids = {"ids": np.zeros((2, 3), np.int64)}
    assert_close(run(path, ids), run(proto, ids))


def test_quantised_tables_stay_integers(tmp_path: Path) -> None:
    table = np.random.default_rng(0).integers(-128, 128, (VOCABULARY, WIDTH)).astype(np.int8)
    nodes = [
        helper.make_node("DequantizeLinear", ["table", "s"], ["floats"], axis=0),
        helper.make_node("Gather", ["floats", "ids"], ["e"], axis=0),
        helper.make_node("Transpose", ["floats"], ["head"], perm=[1, 0]),
        helper.make_node("MatMul", ["e", "head"], ["y"], name="logits"),
    ]
    constants = {"table": table, "s": np.full(VOCABULARY, 0.01, np.float32)}
    proto = model(nodes, [value("ids", ["B", "S"], INT64)], [value("y", ["B", "S", VOCABULARY])], constants, opset=17)
    path, _ = converted(proto, tmp_path)
    kernels = [i for i in onnx.load(path).graph.initializer if i.data_type == TensorProto.INT8 and len(i.dims) > 1]
    assert [list(k.dims) for k in kernels] == [[VOCABULARY, WIDTH, 1, 1]]
    ids = {"ids": np.arange(6).reshape(2, 3)}
    assert_close(run(path, ids), run(proto, ids))


def test_layers_inside_and_outside_a_branch_share_a_weight(tmp_path: Path) -> None:
    branches = [
        helper.make_graph(
            [helper.make_node(op, ["h", "w"], [f"{op}_y"], name=name)], name, [], [value(f"{op}_y", None)]
        )
        for op, name in (("MatMul", "inner"), ("Sub", "other"))
    ]
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"], name="outer"),
        helper.make_node("If", ["c"], ["y"], then_branch=branches[0], else_branch=branches[1]),
    ]
    inputs = [value("x", [8, 8]), value("c", [], TensorProto.BOOL)]
    proto = model(nodes, inputs, [value("y", [8, 8])], {"w": random((8, 8))})
    path, report = converted(proto, tmp_path)
    graph = onnx.load(path).graph
    assert [list(i.dims) for i in graph.initializer if len(i.dims) > 1] == [[8, 8], [8, 8, 1, 1]]
    assert [note for note in report.notes if "more than once" in note]  # Sub reads it as it was
    for c in (True, False):
        feeds = {"x": random((8, 8), seed=1), "c": np.array(c)}
        assert_close(run(path, feeds), run(proto, feeds))


def test_opset_and_layout_are_not_confused_by_it(tmp_path: Path) -> None:
    path, report = converted(tied(transposed=False), tmp_path)
    assert report.layout_after.transposes <= 2
    assert ops(path)[0] == "Squeeze"


@pytest.mark.parametrize("constant_node", [False, True])
def test_a_layer_in_a_branch_and_another_reader_outside(tmp_path: Path, constant_node: bool) -> None:
    table = random((6, 8))
    inner = helper.make_node("Gemm", ["x", "w"], ["t"], name="inner", transB=1)
    then = helper.make_graph([inner], "then", [], [value("t", ["N", 6])])
    other = helper.make_graph(
        [helper.make_node("Gemm", ["x", "w"], ["e"], transB=1)], "else", [], [value("e", ["N", 6])]
    )
    nodes = [
        helper.make_node("If", ["c"], ["y"], then_branch=then, else_branch=other),
        helper.make_node("Gather", ["w", "i"], ["rows"]),
    ]
    constants = {"w": table, "i": np.array([0, 2])}
    if constant_node:
        nodes.insert(0, helper.make_node("Constant", [], ["w"], value=numpy_helper.from_array(table, "w")))
        del constants["w"]
    inputs = [value("x", ["N", 8]), value("c", [], TensorProto.BOOL)]
    proto = model(nodes, inputs, [value("y", ["N", 6]), value("rows", [2, 8])], constants)
    path, _ = converted(proto, tmp_path)
    assert stored(path) == [[6, 8, 1, 1]]
    for c in (True, False):
        feeds = {"x": random((3, 8), seed=1), "c": np.array(c)}
        assert_close(run(path, feeds), run(proto, feeds))


def test_ir_version_3_has_no_initializers_in_branches(tmp_path: Path) -> None:
    weight, bias = (numpy_helper.from_array(random(s), n) for s, n in (((8, 6), "w"), ((6,), "b")))
    branches = []
    for name in ("then", "else"):
        layer = [
            helper.make_node("Constant", [], [f"{name}_w"], value=weight),
            helper.make_node("Constant", [], [f"{name}_b"], value=bias),
            helper.make_node("Gemm", ["x", f"{name}_w", f"{name}_b"], [f"{name}_y"], name=name),
        ]
        branches.append(helper.make_graph(layer, name, [], [value(f"{name}_y", ["N", 6])]))
    node = helper.make_node("If", ["c"], ["y"], then_branch=branches[0], else_branch=branches[1])
    inputs = [value("x", ["N", 8]), value("c", [], TensorProto.BOOL)]
    proto = model([node], inputs, [value("y", ["N", 6])], opset=9, ir_version=3)
    path, report = converted(proto, tmp_path)
    assert report.verified
    assert len(report.plan.layers) == 2
    feeds = {"x": random((3, 8), seed=1), "c": np.array(True)}
    after = onnx.load(path)
    defaults = {i.name for i in after.graph.initializer}
    assert {i.name for i in after.graph.input} - defaults == {"x", "c"}
    assert_close(run(path, feeds), run(proto, feeds))
