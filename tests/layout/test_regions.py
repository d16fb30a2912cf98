"""Whole regions stay 4-D: counts of Transpose (T) and Reshape-like nodes (R), before and after."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from helpers import assert_close, converted, ops, random, run, value
from networks import Net, channels_last, encoder, excitation, head, mixer, mlp
from onnx import TensorProto, helper

from fc2conv_cli.layout.solve import Wishes


def counts(path: Path) -> tuple[int, int]:
    found = ops(path)
    reshapes = sum(found.count(op) for op in ("Reshape", "Flatten", "Squeeze", "Unsqueeze"))
    return found.count("Transpose"), reshapes


def convert_and_count(
    proto: onnx.ModelProto, folder: Path, wishes: Wishes | None = None
) -> tuple[tuple[int, int], tuple[int, int]]:
    path, report = converted(proto, folder, wishes=wishes)
    assert report.verified
    assert not report.plan.left
    assert report.plan.gap == 0
    dims = [d.dim_value or None for d in proto.graph.input[0].type.tensor_type.shape.dim]
    for size in (1, 3):
        x = {"x": random([d or size for d in dims])}
        assert_close(run(path, x), run(proto, x))
    return counts(folder / "model.onnx"), counts(path)


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_an_mlp_has_one_layout_node_at_each_end(tmp_path: Path, depth: int) -> None:
    assert convert_and_count(mlp(depth), tmp_path) == ((0, 0), (0, 2))


@pytest.mark.parametrize("pooled", [False, True])
def test_squeeze_and_excitation_has_none(tmp_path: Path, pooled: bool) -> None:
    _, after = convert_and_count(excitation(pooled=pooled), tmp_path)
    assert after == (0, 0)


@pytest.mark.parametrize("pool", [False, True])
@pytest.mark.parametrize("norm", [False, True])
def test_the_head_of_a_cnn_has_no_more_than_before(tmp_path: Path, pool: bool, norm: bool) -> None:
    before, after = convert_and_count(head(pool=pool, norm=norm), tmp_path)
    assert after == before == (0, 1)


def test_linear_layers_between_convolutions_lose_their_transposes(tmp_path: Path) -> None:
    assert convert_and_count(channels_last(layernorm=False), tmp_path) == ((2, 0), (0, 0))


@pytest.mark.parametrize(("decompose", "expected"), [(False, (2, 0)), (True, (0, 0))])
def test_a_convnext_block(tmp_path: Path, decompose: bool, expected: tuple[int, int]) -> None:
    wishes = Wishes(decompose_layernorm=decompose)
    before, after = convert_and_count(channels_last(layernorm=True), tmp_path, wishes)
    assert before == (2, 0)
    assert after == expected


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize(
    ("wishes", "more"),
    [(Wishes(), 4), (Wishes(tokens="batch"), 0), (Wishes(decompose_layernorm=True), 0), (Wishes(tokens="height"), 4)],
)
def test_encoders(tmp_path: Path, fused: bool, depth: int, wishes: Wishes, more: int) -> None:
    before, after = convert_and_count(encoder(depth, fused=fused), tmp_path, wishes)
    ends = 2 if wishes.decompose_layernorm else 0  # into 4-D and out of it again
    assert after[0] <= before[0] + more * depth + ends


def test_queries_keys_and_values_share_one_transpose(tmp_path: Path) -> None:
    net = Net()
    parts = [net.linear("x", 8, 8) for _ in range(3)]
    proto = net.build(["N", "S", 8], net("Sum", *parts))
    _, after = convert_and_count(proto, tmp_path)
    assert after[0] == 2


@pytest.mark.parametrize("depth", [1, 3])
def test_a_mixer(tmp_path: Path, depth: int) -> None:
    before, after = convert_and_count(mixer(depth), tmp_path)
    assert after[0] <= before[0] + 2 * depth
    assert after[1] <= before[1] + 4 * depth + 2


def top(net: Net, x: str) -> str:
    net.nodes.append(helper.make_node("TopK", [x, net.constant(np.array([3]))], ["values", "indices"], axis=-1))
    return net("Add", "values", net("Cast", "indices", to=1))


@pytest.mark.parametrize("wishes", [Wishes(), Wishes(tokens="batch")])
def test_normalisation_between_layers_stays_one_node_in_4d(tmp_path: Path, wishes: Wishes) -> None:
    net, x = Net(), "x"
    for _ in range(2):
        x = net("Relu", net.norm(net.linear(x, 8, 8), 8))
    proto = net.build(["N", 8], net.linear(x, 8, 8))
    _, after = convert_and_count(proto, tmp_path, wishes)
    assert after == (0, 2)
    assert ops(tmp_path / "out.onnx").count("LayerNormalization") == 2


def test_normalisation_of_tokens_in_the_batch_stays_one_node_in_4d(tmp_path: Path) -> None:
    net = Net()
    x = net.linear(net.norm(net.linear("x", 8, 6), 6), 6, 8)
    _, after = convert_and_count(net.build(["N", 4, 8], x), tmp_path, Wishes(tokens="batch"))
    assert after == (0, 2)


def test_a_class_token_is_concatenated_in_4d(tmp_path: Path) -> None:
    net = Net()
    x = net("Conv", "x", net.constant(random((8, 3, 2, 2))), strides=[2, 2])
    x = net("Transpose", net.reshape(x, 0, 8, -1), perm=[0, 2, 1])
    size = net("Gather", net("Shape", x), net.constant(np.array([0])), axis=0)
    shape = net("Concat", size, net.constant(np.array([1, 8])), axis=0)
    token = net("Expand", net.constant(random((1, 1, 8))), shape)
    x = net("Add", net("Concat", token, x, axis=1), net.constant(random((1, 10, 8))))
    _, after = convert_and_count(net.build(["N", 3, 6, 6], net.linear(x, 8, 8)), tmp_path)
    assert after[0] == 1


RULES: dict[str, Callable[[Net, str], str]] = {
    "Softmax": lambda net, x: net("Softmax", x, axis=-1),
    "ReduceMax that keeps its axis": lambda net, x: net("ReduceMax", x, axes=[2]),
    "ReduceMean that drops it": lambda net, x: net.reshape(net("ReduceMean", x, axes=[1], keepdims=0), 0, 1, 8),
    "Concat": lambda net, x: net("Concat", x, net("Relu", x), axis=1),
    "Slice": lambda net, x: net(
        "Slice", x, *(net.constant(np.array([n])) for n in (1, 5, 2, 2))
    ),
    "Gather of one index": lambda net, x: net.reshape(net("Gather", x, net.constant(np.array(-2)), axis=1), 0, 1, 8),
    "Gather of several": lambda net, x: net("Gather", x, net.constant(np.array([3, 0, 1])), axis=2),
    "PRelu": lambda net, x: net("PRelu", x, net.constant(random((8,)))),
    "Clip": lambda net, x: net("Clip", x, net.number(-1), net.number(1)),
    "Where": lambda net, x: net("Where", net("Greater", x, net.number(0)), x, net.constant(random((8,)))),
    "a constant of full rank": lambda net, x: net("Mul", x, net.constant(random((1, 1, 8)))),
    "ArgMax": lambda net, x: net("Cast", net("ArgMax", x, axis=2), to=1),
    "Shape": lambda net, x: net("Add", x, net("Cast", net("Gather", net("Shape", x), net.constant(np.array(0))), to=1)),
    "TopK": lambda net, x: top(net, x),
    "Pad": lambda net, x: net("Pad", x, net.constant(np.array([0, 0, 1, 0, 0, 2])), net.number(0.5)),
    "Pad that repeats the edge": lambda net, x: net(
        "Pad", x, net.constant(np.array([0, 0, 1, 0, 0, -2])), mode="edge"
    ),
    "Identity and Neg": lambda net, x: net("Neg", net("Identity", x)),
}  # fmt: skip


# What the operator leaves of 8 channels.
WIDTHS = {
    "ReduceMax that keeps its axis": 1,
    "ArgMax": 1,
    "Slice": 2,
    "Gather of several": 3,
    "TopK": 3,
    "Pad": 11,
    "Pad that repeats the edge": 7,
}


@pytest.mark.parametrize("name", RULES)
def test_operators_between_two_layers(tmp_path: Path, name: str) -> None:
    net = Net()
    x = RULES[name](net, net.linear("x", 6, 8))
    width = WIDTHS.get(name, 8)
    proto = net.build(["N", 4, 6], net.linear(x, width, 5))
    _, after = convert_and_count(proto, tmp_path)
    assert after[0] <= 2
    assert "Squeeze" not in ops(tmp_path / "out.onnx")[2:-3]


@pytest.mark.parametrize("keepdims", [0, 1])
def test_a_reduction_of_everything(tmp_path: Path, keepdims: int) -> None:
    net = Net()
    x = net.linear("x", 6, 8)
    proto = net.build(["N", 4, 6], net.linear(net("Mul", x, net("ReduceMax", x, keepdims=keepdims)), 8, 5))
    _, after = convert_and_count(proto, tmp_path)
    assert after[0] == 2


def test_padding_of_named_axes(tmp_path: Path) -> None:
    net = Net()
    axes = net.constant(np.array([-1, 1]))
    x = net("Pad", net.linear("x", 6, 8), net.constant(np.array([1, 0, -2, 3])), net.number(0.5), axes)
    proto = net.build(["N", 4, 6], net.linear(x, 7, 5))
    proto.opset_import[0].version = 18
    _, after = convert_and_count(proto, tmp_path)
    assert after[0] == 2


def test_a_value_that_is_an_output_too_is_given_as_it_was(tmp_path: Path) -> None:
    net = Net()
    h = net("Relu", net.linear("x", 6, 8))
    proto = net.build(["N", "S", 6], net.linear(h, 8, 5))
    proto.graph.output.append(value(h, ["N", "S", 8]))
    path, report = converted(proto, tmp_path)
    assert report.verified
    assert [o.name for o in onnx.load(path).graph.output] == ["y", h]
    x = {"x": random((2, 3, 6))}
    assert_close(run(path, x), run(proto, x))


def test_isolated_layers_keep_what_is_between_them(tmp_path: Path) -> None:
    _, after = convert_and_count(mlp(3), tmp_path, Wishes(spread=False))
    assert after == (0, 6)


@pytest.mark.parametrize("runtime", [False, True])
def test_an_operand_that_has_a_part_of_a_stored_axis(tmp_path: Path, runtime: bool) -> None:
    net = Net()
    h = net("Relu", net("MatMul", "x", net.constant(random((4, 5, 8)))))
    scale = "s" if runtime else net.constant(random((8,)))
    proto = net.build(["N", 4, "S", 5], net("MatMul", net("Mul", h, scale), net.constant(random((4, 8, 2)))))
    if runtime:
        proto.graph.input.append(value("s", [8]))
    path, report = converted(proto, tmp_path)
    assert report.verified
    x = {"x": random((3, 4, 2, 5))} | ({"s": random((8,))} if runtime else {})
    assert_close(run(path, x), run(proto, x))


def test_a_mask_that_is_an_output(tmp_path: Path) -> None:
    net = Net()
    a = net("MatMul", "x", net.constant(random((4, 6))))
    net.nodes.append(helper.make_node("Dropout", [a], ["h", "mask"]))
    proto = net.build(["N", "S", 4], net("MatMul", "h", net.constant(random((6, 3)))))
    proto.graph.output.append(value("mask", ["N", "S", 6], TensorProto.BOOL))
    _, report = converted(proto, tmp_path)
    assert report.verified


def test_tokens_that_cannot_be_merged_go_to_the_width(tmp_path: Path) -> None:
    net = Net()
    proto = net.build(["N", 3, "S", 5], net("MatMul", "x", net.constant(random((3, 5, 4)))))
    _, report = converted(proto, tmp_path, wishes=Wishes(tokens="batch"))
    assert len(report.plan.layers) == 1


def test_sizes_of_a_split_that_are_known_at_run_time(tmp_path: Path) -> None:
    net = Net()
    net.nodes.append(helper.make_node("Split", ["x", "sizes"], ["a", "b"], axis=1, name="split"))
    y = net.linear("a", 4, 4)
    proto = net.build(["N", 6, 4], y)
    proto.graph.input.append(value("sizes", [2], TensorProto.INT64))
    proto.graph.output.append(value("b", ["N", None, 4]))
    for tokens in ("width", "batch"):
        path, _ = converted(proto, tmp_path, wishes=Wishes(tokens=tokens), verify=False)
        x = {"x": random((3, 6, 4)), "sizes": np.array([2, 4])}
        assert_close(run(path, x), run(proto, x))


def test_two_layouts_that_only_the_files_own_one_lies_between(tmp_path: Path) -> None:
    net = Net()
    a = net("MatMul", "x", net.constant(random((4, 5, 2))))
    proto = net.build(["N", 4, "S", 5], net("MatMul", a, net.constant(random((2, 6)))))
    proto.graph.node.append(helper.make_node("Neg", [a], ["z"]))
    proto.graph.output.append(value("z", ["N", 4, "S", 2]))
    _, report = converted(proto, tmp_path, wishes=Wishes(tokens="batch"))
    assert report.verified
    assert report.plan.cost < 1000


@pytest.mark.parametrize("axes", [(), ("",)])
def test_axes_that_are_left_out(tmp_path: Path, axes: tuple[str, ...]) -> None:
    net = Net()
    h = net.linear("x", 6, 8)
    proto = net.build(["N", 4, 6], net("Add", h, net("ReduceMean", h, *axes)))
    proto.opset_import[0].version = 18
    _, report = converted(proto, tmp_path)
    assert report.verified


def test_a_part_of_a_shape_that_is_empty(tmp_path: Path) -> None:
    net = Net()
    h = net.linear("x", 6, 8)
    none = net("Cast", net("Shape", h, start=2, end=1), to=1)
    proto = net.build(["N", 4, 6], net("Mul", h, net("Add", net("ReduceSum", none, keepdims=0), net.number(1))))
    _, report = converted(proto, tmp_path)
    assert report.verified


def test_no_positions_stay_no_positions(tmp_path: Path) -> None:
    net = Net()
    h = net.linear("x", 4, 4)
    zero, one = net.constant(np.array([0])), net.constant(np.array([1]))
    proto = net.build(["N", 6, 4], net.linear(net("Slice", h, zero, zero, one), 4, 4))
    _, report = converted(proto, tmp_path, wishes=Wishes(tokens="batch"))
    assert report.status == "written"  # nothing could be compared, and the report says so
    assert not report.verified
    assert [skip.reason.code for skip in report.plan.left] == ["FC2C-EMPTY"]
