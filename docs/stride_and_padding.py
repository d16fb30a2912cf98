"""What stride and padding do to the equivalence of a layer and a convolution.

    python docs/stride_and_padding.py

The textbook layer is slid as a 2x2 kernel over its own 2x2 image, where it has one position, and over a 3x3 image,
where it has four; each time with stride 1 and 2, and with padding 0 and 1. "layer" is the fully connected layer
applied to every 2x2 window by hand.
"""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

WEIGHT = np.array([[1.1, 1.2, 1.3, 1.4], [1.5, 1.6, 1.7, 1.8]], np.float32)
BIAS = np.array([1.9, 2.0], np.float32)


def convolution(image: np.ndarray, stride: int, padding: int) -> np.ndarray:
    """The layer as a 2x2 convolution of a (H, W) image, in onnxruntime: (2, H', W')."""
    node = helper.make_node("Conv", ["x", "w", "b"], ["y"], strides=[stride] * 2, pads=[padding] * 4)
    graph = helper.make_graph(
        [node],
        "convolution",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, *image.shape])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2, None, None])],
        [numpy_helper.from_array(WEIGHT.reshape(2, 1, 2, 2), "w"), numpy_helper.from_array(BIAS, "b")],
    )
    model: onnx.ModelProto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    result: np.ndarray = session.run(None, {"x": image[None, None]})[0][0]
    return result


def layer(image: np.ndarray) -> np.ndarray:
    """The fully connected layer on every 2x2 window of the image: (2, H-1, W-1)."""
    windows = np.lib.stride_tricks.sliding_window_view(image, (2, 2))
    return np.einsum("hwk,ok->ohw", windows.reshape(*windows.shape[:2], 4), WEIGHT) + BIAS[:, None, None]


def main() -> None:
    """Print the table."""
    for size in (2, 3):
        image = np.arange(1, size * size + 1, dtype=np.float32).reshape(size, size)
        expected = layer(image)
        print(f"{size}x{size} image {image.astype(int).tolist()}")
        print(f"  layer                 {expected[0].astype(float).round(1).tolist()}")
        for stride, padding in ((1, 0), (2, 0), (1, 1)):
            found = convolution(image, stride, padding)
            same = found.shape == expected.shape and np.allclose(found, expected)
            verdict = "same" if same else f"NOT THE SAME: {found.shape[1]}x{found.shape[2]} positions"
            print(f"  stride {stride}, padding {padding}   {found[0].astype(float).round(1).tolist()}  {verdict}")


if __name__ == "__main__":
    main()
