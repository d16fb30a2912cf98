"""Layers between QuantizeLinear and DequantizeLinear: the integers move, and compilers still recognise the layer."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import pytest
from helpers import assert_close, converted, inspect_skips, model, ops, random, run, value
from onnx import TensorProto, helper
from quantised import quantise_static

TYPES: dict[str, Any] = {
    **{name: np.dtype(name) for name in ("int8", "uint8", "int16", "uint16")},
    "int4": np.dtype(ml_dtypes.int4),
    "uint4": np.dtype(ml_dtypes.uint4),
}
LAYOUT = {"Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze"}


def integers(shape: tuple[int, ...], dtype: str, seed: int = 0) -> np.ndarray:
    bits, signed = int(dtype.strip("uint")), dtype.startswith("i")
    low = -(2 ** (bits - 1)) if signed else 0
    drawn = np.random.default_rng([seed, *shape]).integers(low, low + 2**bits, shape)
    return drawn.astype(TYPES[dtype])


def dequantized(name: str, constants: dict[str, np.ndarray], **attributes: Any) -> onnx.NodeProto:
    operands = [name, f"{name}s", *([f"{name}z"] if f"{name}z" in constants else [])]
    return helper.make_node("DequantizeLinear", operands, [f"{name}d"], **attributes)


def layer(
    weight: np.ndarray,
    scale: np.ndarray,
    zero: np.ndarray | None = None,
    *,
    op: str = "MatMul",
    x: tuple[int | str, ...] = ("N", 32),
    activations: str | None = "uint8",
    bias: np.ndarray | None = None,
    flat: int = 0,
    transposed: bool = False,
    relu: bool = False,
    opset: int = 21,
    axis: dict[str, int] | None = None,
    **attributes: Any,
) -> onnx.ModelProto:
    """``x -> Q -> DQ -> (Flatten -> Q -> DQ) -> layer -> (Relu) -> Q``, or a float layer without `activations`."""
    constants = {"w": weight, "ws": scale} | ({} if zero is None else {"wz": zero})
    nodes, last = [dequantized("w", constants, **(axis or {}))], "x"

    def requantize(source: str, name: str) -> str:
        nodes.append(helper.make_node("QuantizeLinear", [source, "as", "az"], [f"{name}q"]))
        nodes.append(helper.make_node("DequantizeLinear", [f"{name}q", "as", "az"], [f"{name}f"]))
        return f"{name}f"

    if activations is not None:
        constants |= {"as": np.float32(0.05).reshape(()), "az": np.array(3, activations)}
        last = requantize("x", "x")
    if flat:
        nodes.append(helper.make_node("Flatten", [last], ["flat"]))
        last = requantize("flat", "flat") if activations is not None else "flat"
    operand = "wd"
    if transposed:
        nodes.append(helper.make_node("Transpose", ["wd"], ["wt"], perm=[1, 0]))
        operand = "wt"
    inputs = [last, operand]
    if bias is not None:
        constants |= {"b": bias, "bs": np.asarray(scale * np.float32(0.05), np.float32).reshape(-1)}
        nodes.append(dequantized("b", constants, axis=0))
        inputs.append("bd")
    nodes.append(helper.make_node(op, inputs, ["z"], name="fc", **attributes))
    last = "z"
    if relu:
        nodes.append(helper.make_node("Relu", ["z"], ["r"]))
        last = "r"
    kind = TensorProto.FLOAT
    if activations is not None:
        constants |= {"ys": np.float32(0.4).reshape(()), "yz": np.array(7, activations)}
        nodes.append(helper.make_node("QuantizeLinear", [last, "ys", "yz"], ["y"]))
        kind = int(helper.np_dtype_to_tensor_dtype(np.dtype(activations)))
    else:
        nodes[-1].output[0] = "y"
    return model(nodes, [value("x", x)], [value("y", None, kind)], constants, opset=opset, ir_version=10)


def neighbours(path: Path) -> list[tuple[str, ...]]:
    """For each Conv: the ops of its three operands and of its only reader."""
    graph = onnx.load(path).graph
    makers = {name: node.op_type for node in graph.node for name in node.output}
    found = []
    for node in graph.node:
        if node.op_type == "Conv":
            (reader,) = [n for n in graph.node if node.output[0] in n.input] or [None]
            found.append((*(makers.get(i, "") for i in node.input), "->", reader.op_type if reader else ""))
    return found


def assert_equal(proto: onnx.ModelProto, folder: Path, shapes: list[tuple[int, ...]]) -> Path:
    path, report = converted(proto, folder)
    assert report.verified
    for shape in shapes:
        x = {"x": random(shape, seed=3)}
        np.testing.assert_array_equal(run(path, x)[0], run(proto, x)[0])
    return path


@pytest.mark.parametrize("dtype", list(TYPES))
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("spelling", ["MatMul", "MatMul of a Transpose", "Gemm", "Gemm transB"])
def test_the_integers_move(tmp_path: Path, dtype: str, per_channel: bool, spelling: str) -> None:
    turned = spelling in ("MatMul of a Transpose", "Gemm transB")
    weight = integers((6, 32) if turned else (32, 6), dtype)
    scale = np.random.default_rng(1).uniform(0.001, 0.01, 6 if per_channel else ()).astype(np.float32)
    zero = np.full(np.shape(scale), 3, TYPES[dtype])
    extra: dict[str, Any] = {"transB": 1} if spelling == "Gemm transB" else {}
    proto = layer(
        weight, scale, zero, op=spelling.split()[0], transposed=spelling == "MatMul of a Transpose",
        axis={"axis": 0 if turned else 1} if per_channel else {}, **extra,
    )  # fmt: skip
    path = assert_equal(proto, tmp_path, [(1, 32), (3, 32)])
    assert neighbours(path) == [("DequantizeLinear", "DequantizeLinear", "->", "QuantizeLinear")]
    kernel = next(i for i in onnx.load(path).graph.initializer if i.name == "fc.weight")
    assert (list(kernel.dims), kernel.data_type) == ([6, 32, 1, 1], helper.np_dtype_to_tensor_dtype(TYPES[dtype]))
    moved = next(n for n in onnx.load(path).graph.node if "fc.weight" in n.input)
    assert [a.i for a in moved.attribute if a.name == "axis"] == ([0] if per_channel else [])


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("activations", ["uint8", "int8", "uint16"])
def test_a_bias_stays_int32(tmp_path: Path, activations: str, relu: bool) -> None:
    bias = np.random.default_rng(1).integers(-500, 500, 6).astype(np.int32)
    scale = np.full(6, 0.004, np.float32)
    proto = layer(
        integers((6, 32), "int8"), scale, op="Gemm", bias=bias, activations=activations, relu=relu,
        axis={"axis": 0}, transB=1,
    )  # fmt: skip
    path = assert_equal(proto, tmp_path, [(1, 32), (3, 32)])
    after = "Relu" if relu else "QuantizeLinear"
    assert neighbours(path) == [(*["DequantizeLinear"] * 3, "->", after)]
    assert any(i.data_type == TensorProto.INT32 and list(i.dims) == [6] for i in onnx.load(path).graph.initializer)


def test_a_bias_behind_a_matmul(tmp_path: Path) -> None:
    constants = {
        "w": integers((32, 6), "int8"), "ws": np.float32(0.01).reshape(()),
        "b": np.arange(6, dtype=np.int32), "bs": np.float32(0.01).reshape(()),
    }  # fmt: skip
    nodes = [
        dequantized("w", constants), dequantized("b", constants),
        helper.make_node("MatMul", ["x", "wd"], ["z"], name="fc"), helper.make_node("Add", ["bd", "z"], ["y"]),
    ]  # fmt: skip
    proto = model(nodes, [value("x", ["N", 5, 32])], [value("y", ["N", 5, 6])], constants)
    path, _ = converted(proto, tmp_path)
    assert "Add" not in ops(path)
    x = {"x": random((3, 5, 32))}
    assert_close(run(path, x), run(proto, x))


@pytest.mark.parametrize("flat", [False, True])
def test_a_flattened_map_is_read_as_it_is(tmp_path: Path, flat: bool) -> None:
    proto = layer(integers((60, 6), "int8"), np.full(6, 0.01, np.float32), x=("N", 3, 4, 5), flat=1)
    path = assert_equal(proto, tmp_path, [(1, 3, 4, 5), (3, 3, 4, 5)])
    assert Counter(ops(path)) == {"QuantizeLinear": 2, "DequantizeLinear": 2, "Conv": 1, "Squeeze": 1}


def test_another_scale_behind_the_flatten_is_kept(tmp_path: Path) -> None:
    proto = layer(integers((60, 6), "int8"), np.full(6, 0.01, np.float32), x=("N", 3, 4, 5), flat=1)
    other = [n for n in proto.graph.node if n.output[0] in ("flatq", "flatf")]
    for node in other:
        node.input[1] = "as2"
    proto.graph.initializer.append(onnx.numpy_helper.from_array(np.float32(0.07).reshape(()), "as2"))
    path = assert_equal(proto, tmp_path, [(1, 3, 4, 5), (3, 3, 4, 5)])
    assert Counter(ops(path)) == {"QuantizeLinear": 3, "DequantizeLinear": 3, "Conv": 1, "Squeeze": 1}


def test_layers_in_a_row_share_their_layout(tmp_path: Path) -> None:
    constants = {"as": np.float32(0.05).reshape(()), "az": np.array(3, np.uint8)}
    nodes, last = [], "x"
    for i in range(3):
        constants |= {f"w{i}": integers((16, 16), "int8", i), f"w{i}s": np.float32(0.01).reshape(())}
        nodes += [
            dequantized(f"w{i}", constants),
            helper.make_node("QuantizeLinear", [last, "as", "az"], [f"q{i}"]),
            helper.make_node("DequantizeLinear", [f"q{i}", "as", "az"], [f"f{i}"]),
            helper.make_node("MatMul", [f"f{i}", f"w{i}d"], [f"z{i}"], name=f"fc{i}"),
        ]
        last = f"z{i}"
    nodes.append(helper.make_node("QuantizeLinear", [last, "as", "az"], ["y"]))
    proto = model(nodes, [value("x", ["N", 16])], [value("y", ["N", 16], TensorProto.UINT8)], constants)
    path = assert_equal(proto, tmp_path, [(1, 16), (3, 16)])
    assert [op for op in ops(path) if op in LAYOUT] == ["Unsqueeze", "Squeeze"]


def test_readers_of_one_quantised_value_share_its_copy(tmp_path: Path) -> None:
    constants = {"as": np.float32(0.05).reshape(()), "az": np.array(3, np.uint8), "ws": np.float32(0.01).reshape(())}
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "as", "az"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "as", "az"], ["f"]),
    ]
    for i in range(3):
        constants[f"w{i}"] = integers((16, 16), "int8", i)
        nodes.append(helper.make_node("DequantizeLinear", [f"w{i}", "ws"], [f"w{i}d"]))
        nodes.append(helper.make_node("MatMul", ["f", f"w{i}d"], [f"z{i}"], name=f"fc{i}"))
        nodes.append(helper.make_node("QuantizeLinear", [f"z{i}", "as", "az"], [f"y{i}"]))
    outputs = [value(f"y{i}", ["N", 16], TensorProto.UINT8) for i in range(3)]
    path = assert_equal(model(nodes, [value("x", ["N", 16])], outputs, constants), tmp_path, [(3, 16)])
    assert ops(path).count("Unsqueeze") == 1
    assert neighbours(path) == [("DequantizeLinear", "DequantizeLinear", "->", "QuantizeLinear")] * 3


def test_a_result_that_others_read_too(tmp_path: Path) -> None:
    proto = layer(integers((32, 6), "int8"), np.float32(0.01).reshape(()))
    proto.graph.output.append(value("z", ["N", 6]))
    path, report = converted(proto, tmp_path)
    assert report.verified
    assert {o.name for o in onnx.load(path).graph.output} == {"y", "z"}


@pytest.mark.parametrize("dtype", ["int8", "uint4", "int4"])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("rank", [2, 3])
def test_blocks_along_the_input_features(tmp_path: Path, dtype: str, transposed: bool, rank: int) -> None:
    weight = integers((6, 32) if transposed else (32, 6), dtype)
    scale = np.random.default_rng(1).uniform(0.01, 0.1, (6, 4) if transposed else (4, 6)).astype(np.float32)
    zero = integers(scale.shape, dtype, 4)
    proto = layer(
        weight, scale, zero, activations=None, transposed=transposed, x=("N", "S", 32)[-rank:],
        axis={"axis": -1 if transposed else 0, "block_size": 8},
    )  # fmt: skip
    path, _ = converted(proto, tmp_path)
    for size in (1, 3):
        x = {"x": random((size,) * (rank - 1) + (32,))}
        assert_close(run(path, x), run(proto, x))
    found = next(n for n in onnx.load(path).graph.node if "fc.weight" in n.input)
    assert {a.name: a.i for a in found.attribute} == {"axis": 1, "block_size": 8}
    assert dict(Counter(ops(path)))["Conv"] == 1


def test_blocks_do_not_survive_a_kernel_but_a_1x1_one(tmp_path: Path) -> None:
    weight, scale = integers((60, 6), "int8"), random((6, 6)) ** 2 + np.float32(0.01)
    proto = layer(weight, scale, activations=None, x=("N", 3, 4, 5), flat=1, axis={"axis": 0, "block_size": 10})
    path, report = converted(proto, tmp_path)
    assert report.plan.layers[0].form.kernel_shape == (1, 1)
    x = {"x": random((3, 3, 4, 5))}
    assert_close(run(path, x), run(proto, x))


def test_a_scale_for_each_input_feature(tmp_path: Path) -> None:
    scale = np.random.default_rng(1).uniform(0.01, 0.1, 32).astype(np.float32)
    proto = layer(integers((32, 6), "int8"), scale, activations=None, axis={"axis": 0})
    path, _ = converted(proto, tmp_path)
    x = {"x": random((3, 32))}
    assert_close(run(path, x), run(proto, x))


def test_one_scale_for_each_head_of_a_batched_weight(tmp_path: Path) -> None:
    scale = np.array([0.01, 0.02], np.float32)
    proto = layer(integers((2, 8, 5), "int8"), scale, activations=None, x=("N", 2, 3, 8), axis={"axis": 0})
    path, report = converted(proto, tmp_path)
    assert report.plan.layers[0].form.group == 2
    x = {"x": random((3, 2, 3, 8))}
    assert_close(run(path, x), run(proto, x))


def test_weights_that_are_fake_quantised(tmp_path: Path) -> None:
    constants = {"w": random((32, 6)), "s": np.float32(0.02).reshape(()), "z": np.array(0, np.int8)}
    nodes = [
        helper.make_node("QuantizeLinear", ["w", "s", "z"], ["wq"]),
        helper.make_node("DequantizeLinear", ["wq", "s", "z"], ["wd"]),
        helper.make_node("MatMul", ["x", "wd"], ["y"], name="fc"),
    ]
    proto = model(nodes, [value("x", ["N", 32])], [value("y", ["N", 6])], constants)
    path, _ = converted(proto, tmp_path)
    kernel = next(i for i in onnx.load(path).graph.initializer if i.name == "fc.weight")
    assert kernel.data_type == TensorProto.INT8
    x = {"x": random((3, 32))}
    assert_close(run(path, x), run(proto, x))


def test_operators_of_onnxruntimes_own_domain(tmp_path: Path) -> None:
    constants = {
        "w": integers((32, 6), "int16"), "ws": np.full(6, 1e-4, np.float32), "wz": np.zeros(6, np.int16),
        "s": np.float32(1e-3).reshape(()), "z": np.array(9, np.uint16),
    }  # fmt: skip
    microsoft = {"domain": "com.microsoft"}
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"], **microsoft),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["f"], **microsoft),
        dequantized("w", constants, axis=1, **microsoft),
        helper.make_node("MatMul", ["f", "wd"], ["p"], name="fc"),
        helper.make_node("QuantizeLinear", ["p", "s", "z"], ["y"], **microsoft),
    ]
    proto = model(
        nodes, [value("x", ["N", 32])], [value("y", ["N", 6], TensorProto.UINT16)], constants,
        extra_opsets={"com.microsoft": 1},
    )  # fmt: skip
    path = assert_equal(proto, tmp_path, [(1, 32), (3, 32)])
    assert neighbours(path) == [("DequantizeLinear", "DequantizeLinear", "->", "QuantizeLinear")]
    assert {n.domain for n in onnx.load(path).graph.node if n.op_type.endswith("Linear")} == {"com.microsoft"}


def test_alpha_and_beta_of_a_quantised_gemm(tmp_path: Path) -> None:
    bias = np.arange(6, dtype=np.int32) * 50
    proto = layer(
        integers((32, 6), "int8"), np.float32(0.01).reshape(()), op="Gemm", bias=bias, activations=None,
        alpha=0.5, beta=2.0,
    )  # fmt: skip
    path, _ = converted(proto, tmp_path)
    x = {"x": random((3, 32))}
    assert_close(run(path, x), run(proto, x))


def test_one_weight_of_two_quantised_layers_is_stored_once(tmp_path: Path) -> None:
    constants = {"w": integers((32, 32), "int8"), "ws": np.float32(0.01).reshape(())}
    nodes = [
        dequantized("w", constants),
        helper.make_node("MatMul", ["x", "wd"], ["a"], name="fc1"),
        helper.make_node("Tanh", ["a"], ["t"]),
        helper.make_node("MatMul", ["t", "wd"], ["y"], name="fc2"),
    ]
    path, _ = converted(model(nodes, [value("x", ["N", 32])], [value("y", ["N", 32])], constants), tmp_path)
    assert len([i for i in onnx.load(path).graph.initializer if i.data_type == TensorProto.INT8]) == 1


@pytest.mark.parametrize(
    ("change", "code", "detail"),
    [
        ("overridable", "FC2C-OVERRIDABLE-WEIGHT", "override"),
        ("runtime scale", "FC2C-QUANTIZED-WEIGHT", "not constant"),
        ("blocks of heads", "FC2C-QUANTIZED-WEIGHT", "do not stay whole"),
    ],
)
def test_what_stays(tmp_path: Path, change: str, code: str, detail: str) -> None:
    weight = integers((32, 6), "int8")
    proto = layer(weight, np.float32(0.01).reshape(()), activations=None)
    if change == "overridable":
        proto.graph.input.append(value("w", [32, 6], TensorProto.INT8))
    elif change == "runtime scale":
        (scale,) = [i for i in proto.graph.initializer if i.name == "ws"]
        proto.graph.initializer.remove(scale)
        proto.graph.input.append(value("ws", []))
    else:  # one scale for both heads at each input and output
        scales, axis = random((1, 16, 5)) ** 2, {"axis": 0, "block_size": 2}
        proto = layer(integers((2, 16, 5), "int8"), scales, activations=None, x=("N", 2, 3, 16), axis=axis)
    ((_, found, sentence),) = inspect_skips(proto, tmp_path)
    assert found == code
    assert detail in sentence


@pytest.mark.parametrize("shape", [(), (1,), (6,), (1, 6)])
def test_a_bias_of_any_shape_that_broadcasts(tmp_path: Path, shape: tuple[int, ...]) -> None:
    bias = np.random.default_rng(0).integers(-99, 99, shape).astype(np.int32)
    scale = np.float32(0.01).reshape(())
    proto = layer(integers((32, 6), "int8"), scale, op="Gemm", bias=bias)
    path = assert_equal(proto, tmp_path, [(1, 32), (3, 32)])
    assert neighbours(path) == [(*["DequantizeLinear"] * 3, "->", "QuantizeLinear")]


def test_a_reshape_that_cuts_across_the_features_is_done_on_the_integers(tmp_path: Path) -> None:
    constants = {
        "w": integers((12, 2), "int8"), "ws": np.float32(0.01).reshape(()), "s": np.array([0, 2, 12]),
        "as": np.float32(0.05).reshape(()), "az": np.array(3, np.uint8),
    }  # fmt: skip
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "as", "az"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "as", "az"], ["f"]),
        helper.make_node("Reshape", ["f", "s"], ["r"]),
        dequantized("w", constants),
        helper.make_node("MatMul", ["r", "wd"], ["z"], name="fc"),
        helper.make_node("QuantizeLinear", ["z", "as", "az"], ["y"]),
    ]
    proto = model(nodes, [value("x", ["N", 3, 8])], [value("y", ["N", 2, 2], TensorProto.UINT8)], constants)
    path = assert_equal(proto, tmp_path, [(1, 3, 8), (3, 3, 8)])
    assert neighbours(path) == [("DequantizeLinear", "DequantizeLinear", "->", "QuantizeLinear")]


def test_types_that_no_layout_node_takes(tmp_path: Path) -> None:
    constants = {
        "w": integers((6, 8), "uint4"), "ws": np.float32(0.01).reshape(()), "i": np.array([0, 2]),
        "as": np.float32(0.5).reshape(()), "az": np.array(3, TYPES["uint4"]),
    }  # fmt: skip
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "as", "az"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "as", "az"], ["f"]),
        dequantized("w", constants),
        helper.make_node("Gemm", ["f", "wd"], ["z"], name="fc", transB=1),
        helper.make_node("QuantizeLinear", ["z", "as", "az"], ["zq"]),
        helper.make_node("DequantizeLinear", ["zq", "as", "az"], ["y"]),
        helper.make_node("Gather", ["wd", "i"], ["rows"]),
    ]
    outputs = [value("y", ["N", 6]), value("rows", [2, 8])]
    proto = model(nodes, [value("x", ["N", 8])], outputs, constants, opset=21, ir_version=10)
    path = assert_equal(proto, tmp_path, [(1, 8), (3, 8)])
    assert neighbours(path)[0][:2] == ("DequantizeLinear", "DequantizeLinear")


@pytest.mark.parametrize("op", ["Relu", "Cast"])
def test_a_weight_that_is_computed_on(tmp_path: Path, op: str) -> None:
    constants = {"w": integers((32, 6), "int8"), "ws": np.float32(0.01).reshape(())}
    extra = {"to": TensorProto.FLOAT16} if op == "Cast" else {}
    dtype = TensorProto.FLOAT16 if op == "Cast" else TensorProto.FLOAT
    nodes = [
        dequantized("w", constants),
        helper.make_node(op, ["wd"], ["v"], **extra),
        helper.make_node("MatMul", ["x", "v"], ["y"], name="fc"),
    ]
    proto = model(nodes, [value("x", ["N", 32], dtype)], [value("y", ["N", 6], dtype)], constants)
    ((_, code, sentence),) = inspect_skips(proto, tmp_path)
    assert code == "FC2C-QUANTIZED-WEIGHT"
    assert "other nodes than layout nodes" in sentence


def test_a_scale_that_a_caller_may_override(tmp_path: Path) -> None:
    proto = layer(integers((32, 6), "int8"), np.float32(0.01).reshape(()), activations=None)
    proto.graph.input.append(value("ws", []))
    ((_, code, sentence),) = inspect_skips(proto, tmp_path)
    assert code == "FC2C-OVERRIDABLE-WEIGHT"
    assert "'ws'" in sentence


@pytest.mark.parametrize(
    ("activations", "weights"),
    [("QUInt8", "QInt8"), ("QUInt8", "QUInt8"), ("QInt8", "QInt8"), ("QUInt16", "QInt8"), ("QUInt8", "QInt4")],
)
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize(
    ("name", "shape", "layers"),
    [("digits_cnn", (2, 1, 8, 8), 2), ("mlp", (2, 64), 3), ("transformer_encoder", (2, 5, 64), 8)],
)
def test_onnxruntimes_own_quantiser(
    tmp_path: Path, name: str, shape: tuple[int, ...], layers: int, per_channel: bool, activations: str, weights: str
) -> None:
    quant_format = pytest.importorskip("onnxruntime.quantization").QuantFormat.QDQ
    quantised = quantise_static(
        name, shape, tmp_path, activations, weights, per_channel=per_channel, quant_format=quant_format
    )
    path, report = converted(quantised, tmp_path)
    assert report.verified
    assert len(report.plan.layers) == layers
    for operands in neighbours(path):
        assert set(operands[:2]) == {"DequantizeLinear"}
        assert operands[-1] in ("QuantizeLinear", "Relu")
    for size in (1, 3):
        x = {"x": random((size, *shape[1:]), seed=size)}
        if activations == "QUInt16":  # a float sum in another order flips a rounding now and then
            assert_close(run(path, x), run(quantised, x), 1e-3)
        else:
            np.testing.assert_array_equal(run(path, x)[0], run(quantised, x)[0])
