from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from helpers import check, converted, model, ops, random, value
from onnx import helper


def head(nodes: list[onnx.NodeProto], x: list, w: np.ndarray, **constants: np.ndarray) -> onnx.ModelProto:
    """Layout nodes from "x" to "f", then a layer on them."""
    layer = helper.make_node("MatMul", ["f", "w"], ["y"], name="fc")
    return model([*nodes, layer], [value("x", x)], [value("y", None)], {"w": w, **constants})


def node(op: str, source: str, target: str, *more: str, **attributes: object) -> onnx.NodeProto:
    return helper.make_node(op, [source, *more], [target], **attributes)


AXES = np.array([2, 3])
FLATTENS = {
    "flatten": ([node("Flatten", "x", "f")], {}),
    "reshape to -1": ([node("Reshape", "x", "f", "s")], {"s": np.array([0, -1])}),
    "reshape with -1 for the batch": ([node("Reshape", "x", "f", "s")], {"s": np.array([-1, 60])}),
    "NHWC flatten, as Keras exports": (
        [node("Transpose", "x", "t", perm=[0, 2, 3, 1]), node("Reshape", "t", "f", "s")],
        {"s": np.array([-1, 60])},
    ),
    "W and H swapped": ([node("Transpose", "x", "t", perm=[0, 1, 3, 2]), node("Flatten", "t", "f")], {}),
    "through Unsqueeze and Squeeze": (
        [
            node("Unsqueeze", "x", "u", "one"),
            node("Transpose", "u", "t", perm=[0, 1, 3, 4, 2]),
            node("Squeeze", "t", "q", "one"),
            node("Flatten", "q", "f"),
        ],
        {"one": np.array([1])},
    ),
    "in two steps": (
        [node("Reshape", "x", "r", "s"), node("Flatten", "r", "f")],
        {"s": np.array([0, 3, 20])},
    ),
    "shape computed at run time": (
        [
            node("Shape", "x", "shape"),
            helper.make_node("Gather", ["shape", "zero"], ["n"], axis=0),
            helper.make_node("Concat", ["n", "minus"], ["s"], axis=0),
            node("Reshape", "x", "f", "s"),
        ],
        {"zero": np.array([0]), "minus": np.array([-1])},
    ),
}


@pytest.mark.parametrize("name", FLATTENS)
@pytest.mark.parametrize("batch", ["N", 2])
def test_a_flattened_map_is_read_as_it_is(tmp_path: Path, name: str, batch: int | str) -> None:
    nodes, constants = FLATTENS[name]
    proto = head(nodes, [batch, 3, 4, 5], random((60, 7)), **constants)
    left = check(proto, tmp_path, [(s, 3, 4, 5) for s in ([1, 3] if batch == "N" else [2])])
    assert left == ["Conv", "Squeeze"]
    kernel = next(
        a for n in onnx.load(tmp_path / "out.onnx").graph.node for a in n.attribute if a.name == "kernel_shape"
    )
    assert list(kernel.ints) == [4, 5]


def test_a_pooled_map_needs_no_kernel(tmp_path: Path) -> None:
    nodes = [node("GlobalAveragePool", "x", "p"), node("Flatten", "p", "f")]
    assert check(head(nodes, ["N", 6, 5, 5], random((6, 3))), tmp_path, [(3, 6, 5, 5)]) == [
        "GlobalAveragePool",
        "Conv",
        "Squeeze",
    ]


def test_a_flatten_that_something_else_reads_stays(tmp_path: Path) -> None:
    proto = head([node("Flatten", "x", "f")], ["N", 3, 4, 5], random((60, 7)))
    proto.graph.node.append(node("Relu", "f", "also"))
    proto.graph.output.append(value("also", None))
    left = check(proto, tmp_path, [(1, 3, 4, 5), (3, 3, 4, 5)])
    assert left.count("Flatten") + left.count("Reshape") == 1
    assert left.count("Unsqueeze") == 0  # the convolution reads the map, not the flattened copy


def test_a_map_of_dynamic_size_is_not_a_kernel(tmp_path: Path) -> None:
    proto = head([node("Flatten", "x", "f")], ["N", 3, "H", 5], random((120, 7)))
    assert check(proto, tmp_path, [(3, 3, 8, 5)]) == ["Flatten", "Unsqueeze", "Conv", "Squeeze"]


def test_a_layer_on_channels_last_pixels_between_convolutions(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Conv", ["x", "a"], ["m"]),
        node("Transpose", "m", "f", perm=[0, 2, 3, 1]),
        helper.make_node("MatMul", ["f", "w"], ["g"], name="fc"),
        node("Transpose", "g", "h", perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["h", "b"], ["y"]),
    ]
    constants = {"a": random((4, 3, 1, 1)), "w": random((4, 6)), "b": random((2, 6, 1, 1))}
    proto = model(nodes, [value("x", ["N", 3, "H", "W"])], [value("y", None)], constants)
    assert check(proto, tmp_path, [(1, 3, 1, 1), (3, 3, 2, 5)]) == ["Conv", "Conv", "Conv"]


def test_a_batch_that_holds_channels_is_not_mistaken(tmp_path: Path) -> None:
    nodes = [node("Reshape", "x", "f", "s")]
    proto = head(nodes, ["N", 3, 4, 5], random((20, 7)), s=np.array([-1, 20]))
    assert check(proto, tmp_path, [(1, 3, 4, 5), (3, 3, 4, 5)]).count("Conv") == 1


def test_a_frozen_batch_is_not_composed_away(tmp_path: Path) -> None:
    proto = head([node("Reshape", "x", "f", "s")], ["N", 3, 4, 5], random((60, 7)), s=np.array([1, 60]))
    path, report = converted(proto, tmp_path)
    assert "Reshape" in ops(path)
    assert report.verification.cases == ({"N": 1},)
    assert any("the original itself does not run at N=3" in note for note in report.verification.notes)


def test_frequency_bands_of_a_spectrogram_become_a_tall_kernel(tmp_path: Path) -> None:
    nodes = [node("Transpose", "x", "t", perm=[0, 3, 1, 2]), node("Reshape", "t", "f", "s")]
    proto = head(nodes, ["N", 4, 5, "T"], random((20, 7)), s=np.array([0, 0, 20]))
    left = check(proto, tmp_path, [(1, 4, 5, 1), (3, 4, 5, 2)])
    assert "Reshape" not in left
    kernel = next(
        a for n in onnx.load(tmp_path / "out.onnx").graph.node for a in n.attribute if a.name == "kernel_shape"
    )
    assert list(kernel.ints) == [5, 1]


def test_a_single_channel_is_not_slid_over(tmp_path: Path) -> None:
    proto = head([node("Squeeze", "x", "f", "one")], [2, 1, 6, 8], random((8, 3)), one=np.array([1]))
    _, report = converted(proto, tmp_path)
    assert report.plan.layers[0].form.kernel_shape == (1, 1)
