"""A converted layer as a model of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from helpers import gemm, matmul, random, run
from layer_models import noted, pair
from quantised import quantise_static

from fc2conv_cli.layer_notes import KEY, LayerNote
from fc2conv_cli.verification.alone import Alone, convolution_text, find_alone
from fc2conv_cli.verification.instrument import Instrumented, in_onnxruntime


def alone(model: Instrumented, k: int = 0) -> Alone | None:
    node = noted(model.proto)[k]
    note = LayerNote.from_json(next(entry.value for entry in node.metadata_props if entry.key == KEY))
    assert note is not None
    return find_alone(model, node, note)


def test_it_is_the_convolution_with_its_own_weights_and_gives_the_same(tmp_path: Path) -> None:
    proto = gemm(["N", 4], random((4, 3)), random((3,)))
    _, path = pair(proto, tmp_path)
    model = Instrumented(path)
    layer = alone(model)
    assert layer is not None
    assert [node.op_type for node in layer.nodes] == ["Conv"]
    assert len(layer.weights) == 2
    assert layer.sides == ()
    x = random((5, 4))
    feeds = {layer.reads: x[:, :, None, None]}
    (y,) = run(proto, {"x": x})
    made = layer.load(model, in_onnxruntime, feeds).run(feeds)[layer.writes]
    np.testing.assert_allclose(made[:, :, 0, 0], y, atol=1e-5)


def test_what_the_layer_does_behind_its_convolution_belongs_to_it(tmp_path: Path) -> None:
    term = random((5, 3))
    _, path = pair(gemm([5, 4], random((4, 3)), term), tmp_path)
    layer = alone(Instrumented(path))
    assert layer is not None
    assert layer.conv.op_type == "Conv"
    assert [node.op_type for node in layer.nodes][-1] == "Add"
    assert layer.sides == ()


def test_a_quantised_layer_reads_and_writes_integers(tmp_path: Path) -> None:
    proto = quantise_static("mlp", (4, 64), tmp_path, "QUInt8", "QInt8")
    _, path = pair(proto, tmp_path)
    layer = alone(Instrumented(path), 1)
    assert layer is not None
    kinds = [node.op_type for node in layer.nodes]
    assert kinds.count("Conv") == 1
    assert kinds.count("DequantizeLinear") == 3  # of the activation, the weight and the bias
    assert kinds[-1] == "QuantizeLinear"


def test_nothing_is_found_where_there_is_no_convolution(tmp_path: Path) -> None:
    _, path = pair(matmul(["N", 4], random((4, 3))), tmp_path)
    model = Instrumented(path)
    note = LayerNote.from_json(next(e.value for n in noted(model.proto) for e in n.metadata_props if e.key == KEY))
    assert note is not None
    squeeze = next(node for node in model.proto.graph.node if node.op_type == "Unsqueeze")
    assert find_alone(model, squeeze, note) is None
    conv = noted(model.proto)[0]
    too_many = LayerNote(**{**vars(note), "before": 9})
    assert find_alone(model, conv, too_many) is None
    del conv.input[:]
    assert find_alone(model, conv, note) is None


@pytest.mark.parametrize(("group", "text"), [(1, "Conv 1x3"), (4, "Conv 1x3, 4 groups")])
def test_a_convolution_for_people(group: int, text: str) -> None:
    node = onnx.helper.make_node("Conv", ["x", "w"], ["y"], kernel_shape=[1, 3], group=group)
    assert convolution_text(node) == text
    assert convolution_text(onnx.helper.make_node("ConvInteger", ["x", "w"], ["y"])) == "ConvInteger"
