"""The textbook layer, as a feature map that is flattened and as a row of features.

Input [[1, 2], [3, 4]], two outputs, ReLU:
    1.1*1 + 1.2*2 + 1.3*3 + 1.4*4 + 1.9 = 14.9        1.5*1 + 1.6*2 + 1.7*3 + 1.8*4 + 2.0 = 19.0

The first becomes a convolution as large as its image, the second one of 1x1 on four channels.
"""

from __future__ import annotations

import numpy as np
import onnx
from common import FOLDER
from onnx import TensorProto, helper, numpy_helper

WEIGHT = np.array([[1.1, 1.2, 1.3, 1.4], [1.5, 1.6, 1.7, 1.8]], np.float32)
BIAS = np.array([1.9, 2.0], np.float32)


def make(name: str, shape: list[int], flatten: bool) -> None:
    """Write one of the two models."""
    flat = [helper.make_node("Flatten", ["x"], ["features"], name="flatten")] if flatten else []
    features = "features" if flatten else "x"
    layer = helper.make_node("Gemm", [features, "weight", "bias"], ["sums"], name="fc", transB=1)
    relu = helper.make_node("Relu", ["sums"], ["y"], name="relu")
    graph = helper.make_graph(
        [*flat, layer, relu],
        name,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2])],
        [numpy_helper.from_array(WEIGHT, "weight"), numpy_helper.from_array(BIAS, "bias")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8, producer_name="fc2conv")
    onnx.save(model, FOLDER / f"{name}.onnx")


if __name__ == "__main__":
    make("textbook_image", [1, 1, 2, 2], flatten=True)
    make("textbook_features", [1, 4], flatten=False)
