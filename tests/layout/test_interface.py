"""``--io-layout nchw``: the model's own inputs and outputs in 4-D."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from helpers import assert_close, converted, model, ops, random, run, value
from networks import Net, channels_last, encoder, mlp
from onnx import TensorProto, helper

from fc2conv_cli import convert, inspect, verify
from fc2conv_cli.io_layout import KEY
from fc2conv_cli.layout.solve import Wishes

NCHW = Wishes(io="nchw")
ARRANGED = Wishes(io="nchw", decompose_layernorm=True)


def dims(port: onnx.ValueInfoProto) -> list[int | str]:
    return [d.dim_param or d.dim_value for d in port.type.tensor_type.shape.dim]


def test_an_mlp_has_no_layout_node_left(tmp_path: Path) -> None:
    proto = mlp(3)
    path, report = converted(proto, tmp_path, wishes=NCHW)
    assert report.verified
    assert (report.layout_after.transposes, report.layout_after.reshapes) == (0, 0)
    graph = onnx.load(path).graph
    assert [(p.name, dims(p)) for p in (*graph.input, *graph.output)] == [
        ("x", ["N", 16, 1, 1]),
        ("y", ["N", 16, 1, 1]),
    ]
    assert [(c.kind, c.name) for c in report.interface] == [("input", "x"), ("output", "y")]
    x = random((3, 16))
    (found,) = run(path, {"x": x.reshape(3, 16, 1, 1)})
    assert_close([found.reshape(3, 16)], run(proto, {"x": x}))


def test_tokens_come_and_go_on_the_width(tmp_path: Path) -> None:
    proto = encoder(1)
    path, report = converted(proto, tmp_path, wishes=ARRANGED)
    assert report.verified
    (given,), (made,) = onnx.load(path).graph.input, onnx.load(path).graph.output
    assert dims(given) == ["N", 16, 1, "S"]
    assert dims(made) == ["N", 16, 1, "S"]
    x = random((2, 3, 16))
    (found,) = run(path, {"x": np.ascontiguousarray(x.transpose(0, 2, 1)[:, :, None])})
    assert_close([found[:, :, 0].transpose(0, 2, 1)], run(proto, {"x": x}))


def test_channels_that_come_last_come_second(tmp_path: Path) -> None:
    net = Net()
    x = net("Transpose", "x", perm=[0, 3, 1, 2])
    x = net("Flatten", net("Relu", net("Conv", x, net.constant(random((8, 3, 3, 3))))))
    proto = net.build(["N", 5, 6, 3], net.linear(x, 8 * 3 * 4, 5, gemm=True))
    path, report = converted(proto, tmp_path, wishes=NCHW)
    assert report.verified
    assert "Transpose" not in ops(path)
    assert dims(onnx.load(path).graph.input[0]) == ["N", 3, 5, 6]


def test_what_is_4d_inside_and_outside_stays(tmp_path: Path) -> None:
    path, report = converted(channels_last(layernorm=False), tmp_path, wishes=NCHW)
    assert report.interface == ()
    assert KEY not in {entry.key for entry in onnx.load(path).metadata_props}
    assert any("changes nothing" in note for note in report.notes)


def test_an_input_that_is_read_in_two_layouts_stays(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"], name="fc"),
        helper.make_node("CumSum", ["x", "axis"], ["b"]),
        helper.make_node("Add", ["a", "b"], ["y"]),
    ]
    constants = {"w": random((4, 4)), "axis": np.array(0)}
    proto = model(nodes, [value("x", ["N", 4])], [value("y", ["N", 4])], constants)
    path, report = converted(proto, tmp_path, wishes=NCHW)
    assert report.verified
    assert [change.name for change in report.interface] == ["y"]
    assert dims(onnx.load(path).graph.input[0]) == ["N", 4]


def test_an_image_that_is_flattened_keeps_its_kernel(tmp_path: Path) -> None:
    net = Net()
    h = net("Relu", net.linear(net("Flatten", "x"), 3 * 8 * 8, 16, gemm=True))
    path, report = converted(net.build(["N", 3, 8, 8], net.linear(h, 16, 5)), tmp_path, wishes=NCHW)
    assert report.verified
    assert (report.layout_after.transposes, report.layout_after.reshapes) == (0, 0)
    assert [change.name for change in report.interface] == ["y"]
    assert dims(onnx.load(path).graph.input[0]) == ["N", 3, 8, 8]


def test_an_output_that_a_later_layer_reads_stays_as_it_is_stored(tmp_path: Path) -> None:
    net = Net()
    x = net("Conv", net("Transpose", "x", perm=[0, 3, 1, 2]), net.constant(random((4, 3, 1, 1))))
    h = net("Relu", net.linear(net("Transpose", x, perm=[0, 2, 3, 1]), 4, 6))
    proto = net.build(["N", 5, 5, 3], net.linear(net("Flatten", h), 6 * 25, 3, gemm=True))
    proto.graph.output.append(value(h, ["N", 5, 5, 6]))
    path, report = converted(proto, tmp_path, wishes=NCHW)
    assert report.verified
    assert (report.layout_after.transposes, report.layout_after.reshapes) == (0, 0)
    assert dims(onnx.load(path).graph.output[1]) == ["N", 6, 5, 5]


def test_an_output_that_is_read_inside_as_well(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["y"], name="fc"),
        helper.make_node("CumSum", ["y", "axis"], ["z"]),
    ]
    constants = {"w": random((4, 4)), "axis": np.array(0)}
    outputs = [value("y", ["N", 4]), value("z", ["N", 4])]
    proto = model(nodes, [value("x", ["N", 4])], outputs, constants)
    path, report = converted(proto, tmp_path, wishes=NCHW)
    assert report.verified
    assert [dims(o) for o in onnx.load(path).graph.output] == [["N", 4, 1, 1], ["N", 4]]
    assert [o.name for o in onnx.load(path).graph.output] == ["y", "z"]


@pytest.mark.parametrize("again", [Wishes(), NCHW])
def test_verify_knows_it_later_and_after_a_second_conversion(tmp_path: Path, again: Wishes) -> None:
    path, _ = converted(mlp(2), tmp_path, wishes=NCHW)
    report = verify(tmp_path / "model.onnx", path)
    assert report.passed
    assert any("--io-layout nchw" in note for note in report.notes)
    second = convert(path, tmp_path / "second.onnx", wishes=again)
    assert second.passed
    assert verify(path, tmp_path / "second.onnx").passed
    assert verify(tmp_path / "model.onnx", tmp_path / "second.onnx").passed


@pytest.mark.parametrize(
    "note",
    [
        "{}",
        "not json",
        '{"inputs": 3}',
        '{"inputs": {"x": [["Reshape", [7]]]}}',
        '{"inputs": {"x": [["Explode", [1]]]}}',
        '{"inputs": {"x": [["Unsqueeze", [2, 3]]]}}',
        '{"inputs": {"x": [["Unsqueeze", [1000000000000000000000]]]}}',
        '{"inputs": {"x": [["Reshape", [Infinity]]]}}',
        '{"outputs": {"y": [["Squeeze", [100000000000000000000000]]]}}',
        '{"inputs": ' + "[" * 100_000,
    ],
)
def test_a_note_that_says_something_else_does_not_pass(tmp_path: Path, note: str) -> None:
    path, _ = converted(mlp(2), tmp_path, wishes=NCHW)
    proto = onnx.load(path)
    next(entry for entry in proto.metadata_props if entry.key == KEY).value = note
    onnx.save(proto, path)
    assert not verify(tmp_path / "model.onnx", path).passed


def test_a_weight_that_is_wrong_does_not_pass_either(tmp_path: Path) -> None:
    path, _ = converted(mlp(2), tmp_path, wishes=NCHW)
    proto = onnx.load(path)
    weight = next(t for t in proto.graph.initializer if len(t.dims) == 4)
    weight.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weight) * np.float32(1.01), weight.name))
    onnx.save(proto, path)
    assert not verify(tmp_path / "model.onnx", path).passed


def test_inspect_says_what_would_change(tmp_path: Path) -> None:
    onnx.save(mlp(2), tmp_path / "model.onnx")
    report = inspect(tmp_path / "model.onnx", wishes=NCHW)
    text = str(report)
    assert "the interface changes (--io-layout nchw): input 'x' was [N, 16], is now [N, 16, 1, 1]" in text
    assert (report.layout_after.transposes, report.layout_after.reshapes) == (0, 0)


def test_a_loop_keeps_what_its_body_is_given(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Softmax", ["carried"], ["s"], axis=1),
        helper.make_node("MatMul", ["w", "s"], ["a"], name="fc"),
        helper.make_node("Add", ["a", "carried"], ["next"]),
        helper.make_node("Identity", ["again"], ["go_on"]),
    ]
    counters = [value("i", [], TensorProto.INT64), value("again", [], TensorProto.BOOL)]
    body = helper.make_graph(
        nodes,
        "body",
        [*counters, value("carried", ["N", 4, 4])],
        [value("go_on", [], TensorProto.BOOL), value("next", ["N", 4, 4])],
    )
    loop = helper.make_node("Loop", ["n", "go", "x"], ["y"], body=body, name="loop")
    constants = {"w": random((4, 4)), "n": np.array(2), "go": np.array(True)}
    proto = model([loop], [value("x", ["N", 4, 4])], [value("y", ["N", 4, 4])], constants)
    _, keep = converted(proto, tmp_path)
    _, nchw = converted(proto, tmp_path, wishes=NCHW)
    assert nchw.verified
    assert nchw.layout_after == keep.layout_after


def test_a_dim_that_no_file_can_declare_stays_inside(tmp_path: Path) -> None:
    net = Net()
    proto = net.build(["N", 6, 4], net("Softmax", net.linear("x", 4, 4), axis=1))
    path, report = converted(proto, tmp_path, wishes=Wishes(tokens="batch", io="nchw"))
    assert report.interface == ()
    assert convert(path, tmp_path / "again.onnx", wishes=Wishes(tokens="batch")).passed


def test_what_the_file_says_of_inputs_and_outputs_is_kept(tmp_path: Path) -> None:
    proto = mlp(1)
    for port in (*proto.graph.input, *proto.graph.output):
        port.doc_string = f"what {port.name} is"
        port.type.denotation = "TENSOR"
        port.metadata_props.add(key="unit", value="px")
    for wishes in (Wishes(), NCHW):
        graph = onnx.load(converted(proto, tmp_path, wishes=wishes)[0]).graph
        for port in (*graph.input, *graph.output):
            assert port.doc_string == f"what {port.name} is"
            assert port.type.denotation == "TENSOR"
            assert [(entry.key, entry.value) for entry in port.metadata_props] == [("unit", "px")]
