"""Layers in the bodies of If, Loop, Scan and local functions: converted where they are, once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from helpers import INT64, assert_close, converted, inspect_skips, model, random, run, value
from onnx import TensorProto, helper, numpy_helper

BOOL = TensorProto.BOOL


def every_node(proto: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    stack = [*proto.graph.node, *(n for f in proto.functions for n in f.node)]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(n for a in node.attribute for n in a.g.node)


def op_types(path: Path) -> list[str]:
    return sorted(n.op_type for n in every_node(onnx.load(path)))


def branch(name: str, nodes: list[onnx.NodeProto], output: str, **constants: np.ndarray) -> onnx.GraphProto:
    tensors = [numpy_helper.from_array(a, n) for n, a in constants.items()]
    return helper.make_graph(nodes, name, [], [value(output, ["N", 3])], tensors)


def conditional(then: onnx.GraphProto, other: onnx.GraphProto, before: list[onnx.NodeProto], **constants: np.ndarray):  # type: ignore[no-untyped-def]
    node = helper.make_node("If", ["cond"], ["y"], then_branch=then, else_branch=other, name="if")
    return model(
        [*before, node], [value("cond", [], BOOL), value("x", ["N", 4])], [value("y", ["N", 3])], dict(constants)
    )


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("cond", [False, True])
def test_branches_that_shadow_each_others_names(tmp_path: Path, size: int, cond: bool) -> None:
    layer = [helper.make_node("MatMul", ["x", "w"], ["h"], name="fc"), helper.make_node("Add", ["h", "b"], ["out"])]
    then = branch("then", layer, "out", w=random((4, 3), seed=1), b=random((3,)))
    other = branch("else", layer, "out", w=random((4, 3), seed=2), b=random((3,), seed=3))
    proto = conditional(then, other, [])
    path, report = converted(proto, tmp_path)
    assert len(report.plan.layers) == 2
    feeds = {"cond": np.array(cond), "x": random((size, 4))}
    assert_close(run(path, feeds), run(proto, feeds))
    assert "MatMul" not in op_types(path)
    after = onnx.load(path)
    names = [t.name for n in every_node(after) for a in n.attribute for t in a.g.initializer]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("cond", [False, True])
def test_a_weight_of_the_outer_graph_and_a_layer_of_the_outer_graph(tmp_path: Path, cond: bool) -> None:
    then = branch("then", [helper.make_node("MatMul", ["h", "w"], ["t"], name="inner")], "t")
    other = branch("else", [helper.make_node("Relu", ["g"], ["e"])], "e")
    before = [
        helper.make_node("MatMul", ["x", "v"], ["h"], name="outer"),
        helper.make_node("MatMul", ["h", "w"], ["g"], name="twin"),
    ]
    proto = conditional(then, other, before, v=random((4, 4)), w=random((4, 3)))
    path, report = converted(proto, tmp_path)
    assert [p.layer.name for p in report.plan.layers] == ["outer", "twin", "inner"]
    feeds = {"cond": np.array(cond), "x": random((3, 4))}
    assert_close(run(path, feeds), run(proto, feeds))
    assert "MatMul" not in op_types(path)


@pytest.mark.parametrize("turns", [0, 1, 3])
def test_a_loop(tmp_path: Path, turns: int) -> None:
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["h", "w"], ["z"], name="fc"),
            helper.make_node("Tanh", ["z"], ["next"]),
            helper.make_node("Identity", ["go"], ["still"]),
        ],
        "body",
        [value("turn", [], INT64), value("go", [], BOOL), value("h", ["N", 4])],
        [value("still", [], BOOL), value("next", ["N", 4]), value("z", ["N", 4])],
        [numpy_helper.from_array(random((4, 4)), "w")],
    )
    node = helper.make_node("Loop", ["turns", "", "x"], ["y", "all"], body=body)
    proto = model(
        [node], [value("x", ["N", 4])], [value("y", ["N", 4]), value("all", [None, "N", 4])], {"turns": np.array(turns)}
    )
    path, report = converted(proto, tmp_path)
    assert len(report.plan.layers) == 1
    for size in (1, 3):
        assert_close(run(path, {"x": random((size, 4))}), run(proto, {"x": random((size, 4))}))
    assert op_types(path).count("Conv") == 1


def test_a_loop_whose_rows_grow(tmp_path: Path) -> None:
    """The first turn has 1 row, so that a body that believed it would be wrong in the second."""
    body = helper.make_graph(
        [
            helper.make_node("Concat", ["h", "row"], ["longer"], axis=0),
            helper.make_node("Reshape", ["longer", "shape"], ["flat"]),
            helper.make_node("MatMul", ["flat", "w"], ["next"], name="fc"),
            helper.make_node("Identity", ["go"], ["still"]),
        ],
        "body",
        [value("turn", [], INT64), value("go", [], BOOL), helper.make_tensor_value_info("h", 1, None)],
        [value("still", [], BOOL), helper.make_tensor_value_info("next", 1, None)],
        [numpy_helper.from_array(random((4, 4)), "w"), numpy_helper.from_array(np.array([-1, 4]), "shape")],
    )
    node = helper.make_node("Loop", ["turns", "", "x"], ["y"], body=body)
    nodes = [node]
    proto = model(nodes, [value("x", [1, 4]), value("row", [1, 4])], [value("y", [None, 4])], {"turns": np.array(3)})
    path, report = converted(proto, tmp_path)
    assert report.verification.passed
    assert op_types(path).count("Conv") == 1
    feeds = {"x": random((1, 4)), "row": random((1, 4), seed=2)}
    assert_close(run(path, feeds), run(proto, feeds))
    assert run(path, feeds)[0].shape == (4, 4)


def test_a_scan(tmp_path: Path) -> None:
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["row", "w"], ["z"], name="fc"),
            helper.make_node("Add", ["z", "state"], ["next"]),
            helper.make_node("Identity", ["next"], ["out"]),
        ],
        "body",
        [value("state", [3]), value("row", [4])],
        [value("next", [3]), value("out", [3])],
        [numpy_helper.from_array(random((4, 3)), "w")],
    )
    node = helper.make_node("Scan", ["s", "x"], ["last", "all"], body=body, num_scan_inputs=1)
    proto = model([node], [value("s", [3]), value("x", ["T", 4])], [value("last", [3]), value("all", ["T", 3])])
    path, report = converted(proto, tmp_path)
    assert len(report.plan.layers) == 1
    feeds = {"s": random((3,)), "x": random((5, 4))}
    assert_close(run(path, feeds), run(proto, feeds))


def function(
    name: str, nodes: list[onnx.NodeProto], inputs: list[str] | None = None, attributes: list[str] | None = None
) -> onnx.FunctionProto:
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]
    return helper.make_function("local", name, inputs or ["a"], ["b"], nodes, opsets, attributes or [])


def constant(name: str, array: np.ndarray) -> onnx.NodeProto:
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(array))


def with_functions(nodes: list[onnx.NodeProto], functions: list[onnx.FunctionProto], x: list, constants=None):  # type: ignore[no-untyped-def]
    proto = model(nodes, [value("x", x)], [value("y", [*x[:-1], 3])], constants, extra_opsets={"local": 1})
    proto.functions.extend(functions)
    return proto


LINEAR = function(
    "Linear",
    [
        constant("w", random((4, 3))),
        constant("bias", random((3,))),
        helper.make_node("MatMul", ["a", "w"], ["z"], name="fc"),
        helper.make_node("Add", ["z", "bias"], ["b"]),
    ],
)


def test_a_function_is_converted_in_place(tmp_path: Path) -> None:
    proto = with_functions([helper.make_node("Linear", ["x"], ["y"], domain="local")], [LINEAR], ["N", "S", 4])
    path, report = converted(proto, tmp_path)
    assert len(report.plan.layers) == 1
    after = onnx.load(path)
    assert [n.op_type for n in after.graph.node] == ["Linear"]
    assert "Conv" in [n.op_type for n in after.functions[0].node]
    for size in (1, 3):
        feeds = {"x": random((size, 2, 4))}
        assert_close(run(path, feeds), run(proto, feeds))


def test_a_function_that_is_called_at_two_sizes_is_converted_once(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Linear", ["x"], ["p"], domain="local"),
        helper.make_node("Concat", ["x", "x"], ["xx"], axis=0),
        helper.make_node("Linear", ["xx"], ["q"], domain="local"),
        helper.make_node("Concat", ["p", "q"], ["y"], axis=0),
    ]
    proto = with_functions(nodes, [LINEAR], [2, 4])
    proto.graph.output[0].CopyFrom(value("y", [6, 3]))
    path, report = converted(proto, tmp_path)
    assert len(report.plan.layers) == 1
    feeds = {"x": random((2, 4))}
    assert_close(run(path, feeds), run(proto, feeds))


def test_a_function_called_at_two_ranks_is_left(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Linear", ["x"], ["y"], domain="local"),
        helper.make_node("Unsqueeze", ["x", "zero"], ["u"]),
        helper.make_node("Linear", ["u"], ["v"], domain="local"),
    ]
    proto = with_functions(nodes, [LINEAR], [2, 4], {"zero": np.array([0])})
    ((name, code, _),) = inspect_skips(proto, tmp_path)
    assert (name, code) == ("fc", "FC2C-UNKNOWN-SHAPE")


def test_nested_functions(tmp_path: Path) -> None:
    outer = function(
        "Block",
        [helper.make_node("Relu", ["a"], ["r"]), helper.make_node("Linear", ["r"], ["b"], domain="local")],
    )
    proto = with_functions([helper.make_node("Block", ["x"], ["y"], domain="local")], [outer, LINEAR], ["N", 4])
    path, report = converted(proto, tmp_path)
    assert len(report.plan.layers) == 1
    feeds = {"x": random((3, 4))}
    assert_close(run(path, feeds), run(proto, feeds))


def test_weights_and_attributes_that_a_call_passes(tmp_path: Path) -> None:
    passed = function("Passed", [helper.make_node("MatMul", ["a", "w"], ["b"], name="fc")], ["a", "w"])
    proto = with_functions(
        [helper.make_node("Passed", ["x", "w"], ["y"], domain="local")], [passed], ["N", 4], {"w": random((4, 3))}
    )
    ((_, code, _),) = inspect_skips(proto, tmp_path)
    assert code == "FC2C-WEIGHT-IS-ARGUMENT"
    gemm = helper.make_node("Gemm", ["a", "w"], ["b"], name="fc")
    alpha = gemm.attribute.add()
    alpha.name, alpha.ref_attr_name, alpha.type = "alpha", "scale", onnx.AttributeProto.FLOAT
    scaled = function("Scaled", [constant("w", random((4, 3))), gemm], attributes=["scale"])
    call = helper.make_node("Scaled", ["x"], ["y"], domain="local", scale=2.0)
    ((_, code, _),) = inspect_skips(with_functions([call], [scaled], ["N", 4]), tmp_path)
    assert code == "FC2C-FUNCTION-ATTRIBUTE"


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_loop_in_a_function_whose_dims_grow(tmp_path: Path, axis: int, turns: int) -> None:
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["h", "w"], ["t"], name="fc"),
            helper.make_node("Concat", ["h", "t"], ["next"], axis=axis % 2),
            helper.make_node("Identity", ["go"], ["still"]),
        ],
        "body",
        [value("turn", [], INT64), value("go", [], BOOL), helper.make_tensor_value_info("h", 1, None)],
        [value("still", [], BOOL), helper.make_tensor_value_info("next", 1, None)],
        [numpy_helper.from_array(random((4, 4)), "w")],
    )
    loop = function(
        "Grow",
        [
            constant("turns", np.array(turns)),
            constant("yes", np.array(True)),
            helper.make_node("Loop", ["turns", "yes", "a"], ["b"], body=body),
        ],
    )
    proto = with_functions([helper.make_node("Grow", ["x"], ["y"], domain="local")], [loop], [1, axis + 1, 4])
    proto.graph.output[0].CopyFrom(value("y", [None, None, None]))
    path, report = converted(proto, tmp_path)
    assert report.verified
    feeds = {"x": random((1, axis + 1, 4))}
    assert_close(run(path, feeds), run(proto, feeds))


def test_a_loop_that_permutes_its_dims_in_later_turns_only(tmp_path: Path) -> None:
    """Random inputs stop after one turn; larger ones take three, each with other sizes."""
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["v", "w"], ["t"], name="fc"),
            helper.make_node("Transpose", ["t"], ["vo"], perm=[1, 0, 2, 3, 4]),
            helper.make_node("ReduceMax", ["vo"], ["mx"], keepdims=0),
            helper.make_node("Greater", ["mx", "lim"], ["co"]),
        ],
        "body",
        [value("it", [], INT64), value("ci", [], BOOL), helper.make_tensor_value_info("v", 1, None)],
        [value("co", [], BOOL), helper.make_tensor_value_info("vo", 1, None)],
        [
            numpy_helper.from_array(random((4, 4)) * np.float32(0.5), "w"),
            numpy_helper.from_array(np.float32(20), "lim"),
        ],
    )
    nodes = [
        constant("yes", np.array(True)),
        constant("trip", np.array(3)),
        helper.make_node("Loop", ["trip", "yes", "a"], ["b"], body=body),
    ]
    call = helper.make_node("Later", ["x"], ["y"], domain="local")
    proto = with_functions([call], [function("Later", nodes)], [2, 3, 1, 1, 4])
    proto.graph.output[0].CopyFrom(value("y", [None] * 5))
    path, report = converted(proto, tmp_path)
    assert any("compared only as far as the inputs reach it: fc" in note for note in report.notes)
    for scale in (1, 100):
        feeds = {"x": random((2, 3, 1, 1, 4)) * np.float32(scale)}
        assert_close(run(path, feeds), run(proto, feeds))


def test_a_loop_that_changes_its_rank_is_left(tmp_path: Path) -> None:
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["v", "w"], ["t"], name="fc"),
            helper.make_node("Unsqueeze", ["t", "zero"], ["vo"]),
            helper.make_node("Identity", ["ci"], ["co"]),
        ],
        "body",
        [value("it", [], INT64), value("ci", [], BOOL), helper.make_tensor_value_info("v", 1, None)],
        [value("co", [], BOOL), helper.make_tensor_value_info("vo", 1, None)],
        [numpy_helper.from_array(random((4, 4)), "w"), numpy_helper.from_array(np.array([0]), "zero")],
    )
    node = helper.make_node("Loop", ["turns", "", "x"], ["y"], body=body)
    proto = model([node], [value("x", [2, 4])], [value("y", [None] * 4)], {"turns": np.array(2)})
    ((name, code, _),) = inspect_skips(proto, tmp_path)
    assert (name, code) == ("fc", "FC2C-UNKNOWN-SHAPE")


def test_a_c_that_a_call_leaves_out(tmp_path: Path) -> None:
    gemm = function(
        "Optional",
        [constant("w", random((4, 3))), helper.make_node("Gemm", ["a", "w", "c"], ["b"], name="fc")],
        ["a", "c"],
    )
    proto = with_functions([helper.make_node("Optional", ["x"], ["y"], domain="local")], [gemm], ["N", 4])
    ((_, code, _),) = inspect_skips(proto, tmp_path)
    assert code == "FC2C-WEIGHT-IS-ARGUMENT"


def test_a_constant_that_a_call_sets(tmp_path: Path) -> None:
    node = helper.make_node("Constant", [], ["k"])
    attribute = node.attribute.add()
    attribute.name, attribute.ref_attr_name, attribute.type = "value", "q", onnx.AttributeProto.TENSOR
    added = function("K", [node, helper.make_node("Add", ["a", "k"], ["b"])], attributes=["q"])
    nodes = [
        helper.make_node("K", ["x"], ["h"], domain="local", q=numpy_helper.from_array(random((4,)))),
        helper.make_node("MatMul", ["h", "w"], ["y"], name="fc"),
    ]
    path, report = converted(with_functions(nodes, [added], ["N", 4], {"w": random((4, 3))}), tmp_path)
    assert report.verified
    assert "Conv" in op_types(path)


def test_a_function_of_another_opset_is_left(tmp_path: Path) -> None:
    layer = [constant("w", random((4, 3))), helper.make_node("MatMul", ["a", "w"], ["b"], name="fc")]
    opsets = [helper.make_opsetid("", 11)]
    dense = helper.make_function("local", "Dense", ["a"], ["b"], layer, opsets)
    proto = model(
        [helper.make_node("Dense", ["x"], ["y"], domain="local")], [value("x", ["N", 4])], [value("y", ["N", 3])],
        extra_opsets={"local": 1},
    )  # fmt: skip
    proto.functions.append(dense)
    assert [code for _, code, _ in inspect_skips(proto, tmp_path)] == ["FC2C-FUNCTION-OPSET"]
