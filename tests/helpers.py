"""Small ONNX models for tests, and a way to run them that is not fc2conv's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

FLOAT = TensorProto.FLOAT
FLOAT16 = TensorProto.FLOAT16
INT64 = TensorProto.INT64
CORPUS = Path(__file__).parents[2] / "shared" / "corpus"
SAMPLES = Path(__file__).parents[1] / "sample_models"

Dims = Sequence[int | str | None] | None


def value(name: str, shape: Dims, dtype: int = FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, dtype, shape)


def model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    constants: Mapping[str, np.ndarray] | None = None,
    *,
    opset: int = 17,
    ir_version: int = 8,
    extra_opsets: Mapping[str, int] | None = None,
    **kwargs: Any,
) -> onnx.ModelProto:
    tensors = [numpy_helper.from_array(array, name) for name, array in (constants or {}).items()]
    if ir_version < 4:
        inputs = [*inputs, *(helper.make_tensor_value_info(t.name, t.data_type, t.dims) for t in tensors)]
    graph = helper.make_graph(list(nodes), "test", list(inputs), list(outputs), tensors, **kwargs)
    opsets = [helper.make_opsetid("", opset)]
    opsets += [helper.make_opsetid(domain, version) for domain, version in (extra_opsets or {}).items()]
    return _with_output_shapes(helper.make_model(graph, opset_imports=opsets, ir_version=ir_version))


def _with_output_shapes(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Fill in the shapes of outputs that were declared without one, as far as they can be inferred."""
    inferred = {o.name: o for o in onnx.shape_inference.infer_shapes(proto).graph.output}
    for output in proto.graph.output:
        if not output.type.tensor_type.HasField("shape"):
            output.CopyFrom(inferred[output.name])
    return proto


def matmul(
    x: Dims, w: np.ndarray, bias: np.ndarray | None = None, *, left: bool = False, dtype: int = FLOAT, **kwargs: Any
) -> onnx.ModelProto:
    """``y = x @ w (+ b)``, or ``w @ x`` with `left`."""
    nodes = [helper.make_node("MatMul", ["w", "x"] if left else ["x", "w"], ["y" if bias is None else "z"], name="fc")]
    constants = {"w": w}
    if bias is not None:
        nodes.append(helper.make_node("Add", ["z", "b"], ["y"], name="add"))
        constants["b"] = bias
    return model(nodes, [value("x", x, dtype)], [value("y", None, dtype)], constants, **kwargs)


def gemm(
    x: Dims,
    w: np.ndarray,
    c: np.ndarray | None = None,
    *,
    dtype: int = FLOAT,
    opset: int = 17,
    ir_version: int = 8,
    **attrs: Any,
) -> onnx.ModelProto:
    """``y = alpha * x' @ w' + beta * c`` with a constant c."""
    constants = {"w": w} if c is None else {"w": w, "c": c}
    node = helper.make_node("Gemm", ["x", *constants], ["y"], name="fc", **attrs)
    return model(
        [node], [value("x", x, dtype)], [value("y", [None, None], dtype)], constants, opset=opset, ir_version=ir_version
    )


def save(proto: onnx.ModelProto, path: Path) -> Path:
    onnx.save(proto, path)
    return path


def run(proto: onnx.ModelProto | Path, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Every output, by onnxruntime without optimisations."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    source = str(proto) if isinstance(proto, Path) else proto.SerializeToString()
    return ort.InferenceSession(source, options, providers=["CPUExecutionProvider"]).run(None, dict(feeds))


def ops(path: Path) -> list[str]:
    """op_type of every node of a file."""
    return [node.op_type for node in onnx.load(path, load_external_data=False).graph.node]


def names(folder: Path) -> list[str]:
    """What is in a folder, hidden files included."""
    return sorted(p.name for p in folder.iterdir())


def random(shape: Sequence[int], dtype: Any = np.float32, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(dtype)


def assert_close(actual: Sequence[np.ndarray], expected: Sequence[np.ndarray], tolerance: float = 1e-4) -> None:
    """Equal shapes and dtypes, and values within a tolerance of the largest one."""
    assert len(actual) == len(expected)
    for ours, theirs in zip(actual, expected, strict=True):
        assert ours.shape == theirs.shape
        assert ours.dtype == theirs.dtype
        scale = float(np.abs(theirs.astype(np.float64)).max()) if theirs.size else 1.0
        np.testing.assert_allclose(
            ours.astype(np.float64), theirs.astype(np.float64), rtol=0, atol=tolerance * max(scale, 1.0)
        )


def converted(proto: onnx.ModelProto, folder: Path, **options: Any) -> tuple[Path, Any]:
    """Convert a model through the library; the file and the report. Fails if nothing was written."""
    from fc2conv_cli import convert

    source = save(proto, folder / "model.onnx")
    report = convert(source, folder / "out.onnx", force=True, **options)
    assert report.output is not None, report
    return report.output, report


def check(proto: onnx.ModelProto, folder: Path, shapes: Sequence[Sequence[int]], tolerance: float = 1e-4) -> list[str]:
    """Convert a model with one input x, and compare it with the original by our own run; the ops of the result."""
    path, _ = converted(proto, folder)
    dtype = helper.tensor_dtype_to_np_dtype(proto.graph.input[0].type.tensor_type.elem_type)
    for shape in shapes:
        feeds = {"x": random(shape, dtype, seed=7)}
        assert_close(run(path, feeds), run(proto, feeds), tolerance)
    return ops(path)


def inspect_skips(proto: onnx.ModelProto, folder: Path) -> list[tuple[str, str, str]]:
    """Name, code and sentence of every node that stays."""
    from fc2conv_cli import inspect

    plan = inspect(save(proto, folder / "model.onnx")).plan
    return [(s.name, s.reason.code, s.sentence) for s in plan.skips]
