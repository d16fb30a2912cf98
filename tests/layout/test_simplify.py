from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from helpers import assert_close, check, converted, model, ops, random, run, value
from onnx import helper


def chain(*middle: onnx.NodeProto, x: list, first: tuple[int, int], second: tuple[int, int]) -> onnx.ModelProto:
    nodes = [
        helper.make_node("MatMul", ["x", "v"], ["a"], name="first"),
        *middle,
        helper.make_node("MatMul", ["b" if middle else "a", "w"], ["y"], name="second"),
    ]
    return model(nodes, [value("x", x)], [value("y", None)], {"v": random(first), "w": random(second)})


def test_layers_in_a_row_share_their_layout(tmp_path: Path) -> None:
    proto = chain(x=["N", "S", 4], first=(4, 6), second=(6, 3))
    left = check(proto, tmp_path, [(1, 1, 4), (3, 2, 4)])
    assert left.count("Conv") == 2
    assert left.count("Transpose") == 2
    assert len(left) == 6


def test_a_transposition_between_layers_is_composed(tmp_path: Path) -> None:
    middle = helper.make_node("Transpose", ["a"], ["b"], perm=[1, 0, 2], name="swap")
    proto = chain(middle, x=["N", "S", 4], first=(4, 6), second=(6, 3))
    left = check(proto, tmp_path, [(1, 2, 4), (3, 2, 4)])
    assert left.count("Transpose") <= 3


def test_a_value_that_is_an_output_keeps_its_node(tmp_path: Path) -> None:
    proto = chain(x=["N", 4], first=(4, 6), second=(6, 3))
    proto.graph.output.append(value("a", ["N", 6]))
    path, _ = converted(proto, tmp_path)
    feeds = {"x": random((3, 4), seed=1)}
    assert_close(run(path, feeds), run(proto, feeds))
    assert ops(path).count("Unsqueeze") == 1  # the second layer still reads the first one's 4-D result


def test_what_the_file_itself_spells_twice_goes_only_near_a_layer(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[1, 0], name="one"),
        helper.make_node("Transpose", ["t"], ["u"], perm=[1, 0], name="two"),
        helper.make_node("Relu", ["u"], ["r"]),
        helper.make_node("MatMul", ["r", "w"], ["y"], name="fc"),
    ]
    proto = model(nodes, [value("x", ["N", 4])], [value("y", None)], {"w": random((4, 3))})
    assert check(proto, tmp_path, [(3, 4)]).count("Transpose") == 0
    nodes[2] = helper.make_node("CumSum", ["u", "axis"], ["r"])  # opaque: what is above it is none of our business
    proto = model(nodes, [value("x", ["N", 4])], [value("y", None)], {"w": random((4, 3)), "axis": np.array(0)})
    assert check(proto, tmp_path, [(3, 4)]).count("Transpose") == 2


@pytest.mark.parametrize("on_weight", [False, True])
def test_long_chains_of_layout_nodes(tmp_path: Path, on_weight: bool) -> None:
    names = ["w" if on_weight else "x", *(f"t{i}" for i in range(200))]
    nodes = [helper.make_node("Transpose", [a], [b], perm=[1, 0]) for a, b in itertools.pairwise(names)]
    operands = ["x", names[-1]] if on_weight else [names[-1], "w"]
    nodes.append(helper.make_node("MatMul", operands, ["y"], name="fc"))
    proto = model(nodes, [value("x", ["N", 4])], [value("y", ["N", 4])], {"w": random((4, 4))})
    assert "Conv" in check(proto, tmp_path, [(3, 4)])


def test_a_note_of_origin_that_we_did_not_write(tmp_path: Path) -> None:
    proto = chain(x=["N", 4], first=(4, 6), second=(6, 3))
    for node, text in zip(proto.graph.node, ("not json", '{"a": 1}'), strict=True):
        node.metadata_props.add(key="fc2conv.from", value=text)
    assert check(proto, tmp_path, [(3, 4)]).count("Conv") == 2


def test_every_new_node_says_where_it_came_from(tmp_path: Path) -> None:
    proto = chain(x=["N", "S", 4], first=(4, 6), second=(6, 3))
    path, _ = converted(proto, tmp_path)
    for node in onnx.load(path).graph.node:
        props = {p.key: p.value for p in node.metadata_props}
        assert set(json.loads(props["fc2conv.from"])) <= {"first", "second"}
        if node.op_type == "Conv":
            assert json.loads(props["fc2conv.from"]) == [node.name]
