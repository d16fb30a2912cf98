"""Every spelling of a fully connected layer that is tested, once, with its smallest model.

`test_spellings.py` converts each and compares it with onnxruntime's result of the original; `docs/make_spellings.py`
makes the table in docs/spellings.md of the same list.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
import onnx
from helpers import FLOAT, INT64, model, random, value
from onnx import TensorProto, helper, numpy_helper

N, K, M = "N", 8, 6
MICROSOFT = {"extra_opsets": {"com.microsoft": 1}}


@dataclass(frozen=True)
class Spelling:
    """A spelling and what comes of it.

    Attributes:
        group: Heading in the table.
        title: What the file says.
        build: Makes the model; its inputs have dynamic dims.
        stays: The code of the reason why it is left; empty when it is converted.
        options: What `convert` is told beyond the defaults.
        tolerance: Of the largest value; 0 for equal.
    """

    group: str
    title: str
    build: Callable[[], onnx.ModelProto]
    stays: str = ""
    options: Mapping[str, Any] | None = None
    tolerance: float = 1e-5


def _node(op: str, inputs: Sequence[str], output: str = "y", **attributes: Any) -> onnx.NodeProto:
    domain = "" if onnx.defs.has(op) else "com.microsoft"
    return helper.make_node(op, inputs, [output], name=f"{op} to {output}", domain=domain, **attributes)


def _model(
    nodes: Sequence[onnx.NodeProto],
    x: Sequence[int | str] = (N, K),
    y: Sequence[int | str | None] | None = (N, M),
    *,
    x_dtype: int = FLOAT,
    y_dtype: int = FLOAT,
    inputs: Sequence[onnx.ValueInfoProto] = (),
    opset: int = 17,
    **constants: np.ndarray,
) -> onnx.ModelProto:
    extra = MICROSOFT if any(n.domain for n in nodes) else {}
    ports = [value("x", x, x_dtype), *inputs], [value("y", y, y_dtype)]
    return model(nodes, *ports, constants, opset=opset, ir_version=10, **extra)


def _gemm(
    x: Sequence[int | str] = (N, K),
    w: Sequence[int] = (K, M),
    c: Sequence[int] | None = None,
    y: Sequence[int | str | None] = (N, M),
    left: bool = False,
    dtype: Any = np.float32,
    **attributes: Any,
) -> Callable[[], onnx.ModelProto]:
    def build() -> onnx.ModelProto:
        constants = {"w": random(w).astype(dtype)} | ({} if c is None else {"c": random(c, seed=1).astype(dtype)})
        names = ["w", "x"] if left else ["x", "w"]
        nodes = [_node("Gemm", [*names, *(["c"] if c is not None else [])], **attributes)]
        kind = int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
        return _model(nodes, x, y, x_dtype=kind, y_dtype=kind, **constants)

    return build


def _matmul(
    x: Sequence[int | str] = (N, K),
    w: Sequence[int] = (K, M),
    *,
    bias: Sequence[int] | None = None,
    left: bool = False,
    op: str = "MatMul",
    dtype: Any = np.float32,
    bias_first: bool = False,
    **attributes: Any,
) -> Callable[[], onnx.ModelProto]:
    def build() -> onnx.ModelProto:
        constants = {"w": random(w).astype(dtype)}
        nodes = [_node(op, ["w", "x"] if left else ["x", "w"], "y" if bias is None else "z", **attributes)]
        if bias is not None:
            constants["b"] = random(bias, seed=1).astype(dtype)
            nodes.append(_node("Add", ["b", "z"] if bias_first else ["z", "b"]))
        kind = int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
        opset = 22 if dtype is ml_dtypes.bfloat16 else 17
        return _model(nodes, x, None, x_dtype=kind, y_dtype=kind, opset=opset, **constants)

    return build


def _einsum(equation: str, x: Sequence[int | str], w: Sequence[int], left: bool = False) -> Callable[[], Any]:
    return _matmul(x, w, left=left, op="Einsum", equation=equation)


def _weight_through(*ops: onnx.NodeProto, shape: Sequence[int], dtype: Any = np.float32) -> Callable[[], Any]:
    """A MatMul whose weight some nodes compute from a constant ``v``."""
    return lambda: _model([*ops, _node("MatMul", ["x", "w"])], v=random(shape).astype(dtype))


def _x_through(*ops: onnx.NodeProto, x: Sequence[int | str], k: int, **constants: np.ndarray) -> Callable[[], Any]:
    """A MatMul that reads ``x`` through layout nodes."""
    return lambda: _model([*ops, _node("MatMul", ["f", "w"])], x, w=random((k, M)), **constants)


def _two_of_one_weight() -> onnx.ModelProto:
    nodes = [_node("MatMul", ["x", "w"], "h"), _node("Tanh", ["h"], "t"), _node("MatMul", ["t", "w"])]
    return _model(nodes, y=(N, K), w=random((K, K)))


def _tied() -> onnx.ModelProto:
    nodes = [_node("Gather", ["w", "x"], "e"), _node("Gemm", ["e", "w"], transB=1)]
    return _model(nodes, (N,), (N, 9), x_dtype=INT64, w=random((9, K)))


def _branch(op: str, seed: int) -> onnx.GraphProto:
    weight = numpy_helper.from_array(random((K, M), seed=seed), "w")
    return helper.make_graph([_node(op, ["x", "w"], "out")], f"branch{seed}", [], [value("out", [N, M])], [weight])


def _if() -> onnx.ModelProto:
    node = helper.make_node("If", ["c"], ["y"], then_branch=_branch("MatMul", 1), else_branch=_branch("MatMul", 2))
    return _model([node], inputs=[value("c", [], TensorProto.BOOL)])


def _loop() -> onnx.ModelProto:
    body = helper.make_graph(
        [_node("MatMul", ["h", "w"], "next"), _node("Identity", ["go"], "still")], "body",
        [value("i", [], INT64), value("go", [], TensorProto.BOOL), value("h", [N, K])],
        [value("still", [], TensorProto.BOOL), value("next", [N, K])],
    )  # fmt: skip
    nodes = [helper.make_node("Loop", ["three", "", "x"], ["y"], body=body)]
    return _model(nodes, y=(N, K), three=np.array(3), w=random((K, K)))


def _scan() -> onnx.ModelProto:
    body = helper.make_graph(
        [_node("MatMul", ["s", "w"], "p"), _node("Add", ["p", "row"], "next")], "body",
        [value("s", [K]), value("row", [K])], [value("next", [K])],
    )  # fmt: skip
    nodes = [helper.make_node("Scan", ["zero", "x"], ["y"], body=body, num_scan_inputs=1)]
    return _model(nodes, y=(K,), zero=np.zeros(K, np.float32), w=random((K, K)))


def _function(nested: bool) -> onnx.ModelProto:
    weight = helper.make_node("Constant", [], ["w"], value=numpy_helper.from_array(random((K, M)), "w"))
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]
    functions = [
        helper.make_function("local", "Dense", ["a"], ["b"], [weight, _node("MatMul", ["a", "w"], "b")], opsets)
    ]
    if nested:
        inner = helper.make_node("Dense", ["a"], ["b"], domain="local")
        functions.append(helper.make_function("local", "Block", ["a"], ["b"], [inner], opsets))
    call = helper.make_node("Block" if nested else "Dense", ["x"], ["y"], domain="local")
    proto = model([call], [value("x", [N, K])], [value("y", [N, M])], extra_opsets={"local": 1})
    proto.functions.extend(functions)
    return proto


def _integers(shape: Sequence[int], dtype: str, limit: int = 128) -> np.ndarray:
    low, high = (0, 256) if dtype == "uint8" else (-limit, limit)
    return np.random.default_rng(5).integers(low, high, shape).astype(dtype)


def _scalar(number: float, dtype: Any = np.float32) -> np.ndarray:
    return np.array(number, dtype)


def _qdq(
    dtype: Any = np.int8,
    *,
    per_channel: bool = False,
    block: int = 0,
    bias: bool = False,
    activations: str | None = "uint8",
    relu: bool = False,
    transposed: bool = False,
    flat: bool = False,
) -> Callable[[], onnx.ModelProto]:
    def build() -> onnx.ModelProto:
        k = 60 if flat else 32
        name = np.dtype(dtype).name
        bits, low = int(name.strip("uint")), 0 if name.startswith("u") else -1
        drawn = np.random.default_rng(2).integers(
            low * 2 ** (bits - 1), 2 ** (bits - 1), (M, k) if transposed else (k, M)
        )
        shape: tuple[int, ...] = (M,) if per_channel else ((k // block, M) if block else ())
        scale = np.random.default_rng(3).uniform(0.005, 0.01, shape).astype(np.float32)
        constants = {"w": drawn.astype(dtype), "ws": scale}
        attributes = ({"axis": 0 if transposed else 1} if per_channel else {}) | (
            {"axis": 0, "block_size": block} if block else {}
        )
        nodes, last = [_node("DequantizeLinear", ["w", "ws"], "wd", **attributes)], "x"
        if activations is not None:
            constants |= {"as": _scalar(0.05), "az": np.array(3, activations)}
            nodes += [
                _node("QuantizeLinear", ["x", "as", "az"], "q"),
                _node("DequantizeLinear", ["q", "as", "az"], "f"),
            ]
            last = "f"
        if flat:
            nodes.append(_node("Flatten", [last], "flat"))
            if activations is not None:
                nodes += [
                    _node("QuantizeLinear", ["flat", "as", "az"], "fq"),
                    _node("DequantizeLinear", ["fq", "as", "az"], "g"),
                ]
            last = "g" if activations is not None else "flat"
        names = [last, "wd"]
        if bias:
            constants |= {"b": np.arange(M, dtype=np.int32) * 9, "bs": np.full(M, 0.0004, np.float32)}
            nodes.append(_node("DequantizeLinear", ["b", "bs"], "bd", axis=0))
            names.append("bd")
        end = "y" if activations is None else "z"
        kind = {"transB": 1} if transposed else {}
        nodes.append(_node("Gemm" if bias or transposed else "MatMul", names, end, **kind))
        if relu:
            nodes.append(_node("Relu", ["z"], "r"))
        if activations is not None:
            constants |= {"ys": _scalar(0.4), "yz": np.array(7, activations)}
            nodes.append(_node("QuantizeLinear", ["r" if relu else "z", "ys", "yz"]))
        y = FLOAT if activations is None else int(helper.np_dtype_to_tensor_dtype(np.dtype(activations)))
        return _model(nodes, (N, 3, 4, 5) if flat else (N, k), y_dtype=y, opset=21, **constants)

    return build


def _qlinear(
    x: str, w: str, *, per_channel: bool = False, flat: bool = False, op: str = "QLinearMatMul", limit: int = 128
) -> Callable[[], onnx.ModelProto]:
    def build() -> onnx.ModelProto:
        kind = int(helper.np_dtype_to_tensor_dtype(np.dtype(x)))
        scale = np.random.default_rng(3).uniform(0.001, 0.01, (M,) if per_channel else ()).astype(np.float32)
        constants = {
            "w": _integers((60, M), w, limit), "xs": _scalar(0.02), "xz": _scalar(3, x), "ws": scale,
            "wz": np.full(scale.shape, 0 if w == "int8" else 128, w), "ys": _scalar(0.05), "yz": _scalar(3, x),
        }  # fmt: skip
        names = ["f" if flat else "x", "xs", "xz", "w", "ws", "wz"]
        if op == "QGemm":
            constants["c"] = np.arange(M, dtype=np.int32) * 20
            names.append("c")
        nodes = [_node("Flatten", ["x"], "f")] if flat else []
        nodes.append(_node(op, [*names, "ys", "yz"]))
        return _model(nodes, (N, 3, 4, 5) if flat else (N, 60), x_dtype=kind, y_dtype=kind, **constants)

    return build


def _summed(op: str, x: str, w: str, limit: int = 128) -> Callable[[], onnx.ModelProto]:
    def build() -> onnx.ModelProto:
        kind = int(helper.np_dtype_to_tensor_dtype(np.dtype(x)))
        constants = {
            "w": _integers((K, M), w, limit), "xz": _scalar(3, x), "wz": _scalar(2, w), "xs": _scalar(0.02),
            "ws": np.full(M, 0.01, np.float32), "b": random((M,), seed=1), "c": np.arange(M, dtype=np.int32),
        }  # fmt: skip
        names = {
            "MatMulInteger": ["x", "w", "xz", "wz"],
            "MatMulIntegerToFloat": ["x", "w", "xs", "ws", "xz", "wz", "b"],
            "DynamicQuantizeMatMul": ["x", "w", "ws", "wz", "b"],
            "QGemm": ["x", "xs", "xz", "w", "ws", "wz", "c"],
        }[op]
        if op == "QGemm":
            constants["wz"] = np.full(M, 2, w)
        x_dtype = FLOAT if op == "DynamicQuantizeMatMul" else kind
        y_dtype = TensorProto.INT32 if op == "MatMulInteger" else FLOAT
        used = {n: constants[n] for n in names if n != "x"}
        return _model([_node(op, names)], x_dtype=x_dtype, y_dtype=y_dtype, **used)

    return build


def _dynamic_chain() -> onnx.ModelProto:
    first = helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "qs", "qz"])
    nodes = [
        first, _node("MatMulInteger", ["q", "w", "qz"], "sum"), _node("Cast", ["sum"], "f", to=FLOAT),
        _node("Mul", ["qs", "ws"], "s"), _node("Mul", ["f", "s"]),
    ]  # fmt: skip
    return _model(nodes, w=_integers((K, M), "int8", 64), ws=_scalar(0.01))


def _nbits(bits: int, **extra: int) -> Callable[[], onnx.ModelProto]:
    def build() -> onnx.ModelProto:
        rng = np.random.default_rng(bits)
        weight = rng.integers(0, 256, (M, 2, 16 * bits // 8)).astype(np.uint8)
        scale = rng.uniform(0.01, 0.1, M * 2).astype(np.float32)
        node = _node("MatMulNBits", ["x", "w", "s"], K=32, N=M, bits=bits, block_size=16, **extra)
        return _model([node], (N, 32), opset=21, w=weight, s=scale)

    return build


def _followed(*nodes: onnx.NodeProto, y: Sequence[int | str] = (N, M), **constants: np.ndarray) -> Callable[[], Any]:
    return lambda: _model([_node("MatMul", ["x", "w"], "z"), *nodes], y=y, w=random((K, M)), **constants)


def _positive(seed: int) -> np.ndarray:
    return random((M,), seed=seed) ** 2 + np.float32(0.5)


def _runtime_c() -> onnx.ModelProto:
    return _model([_node("Gemm", ["x", "w", "c"], beta=0.5)], inputs=[value("c", [N, M])], w=random((K, M)))


def _residual() -> onnx.ModelProto:
    return _model([_node("MatMul", ["x", "w"], "z"), _node("Add", ["z", "x"])], y=(N, K), w=random((K, K)))


def _outputs() -> onnx.ModelProto:
    proto = _model([_node("MatMul", ["x", "w"], "z"), _node("Add", ["z", "b"])], w=random((K, M)), b=random((M,)))
    proto.graph.output.extend([value("z", [N, M]), value("w", [K, M])])
    return proto


def _overridable() -> onnx.ModelProto:
    proto = _matmul()()
    proto.graph.input.append(value("w", [K, M]))
    return proto


def _gelu() -> onnx.ModelProto:
    return _model([_node("GemmFastGelu", ["x", "w", "b"])], opset=20, w=random((K, M)), b=random((M,)))


def _fused_gemm() -> onnx.ModelProto:
    node = _node("FusedGemm", ["x", "w", "b"], activation="LeakyRelu", activation_alpha=0.1)
    return _model([node], w=random((K, M)), b=random((M,)))


_GEMM = "Gemm"
_MATMUL = "MatMul"
_WEIGHTS = "Where the weight comes from"
_INPUTS = "What lies in front of the layer"
_OTHER = "Einsum and onnxruntime's own float operators"
_BODIES = "In bodies"
_QDQ = "Quantised: QuantizeLinear and DequantizeLinear"
_INTEGER = "Quantised: integer operators"
_NBITS = "Quantised: blocks of few bits"
_DTYPES = "Element types"
_OPTIONS = "With an option"
_STAYS = "What stays, and why"

SPELLINGS = (
    Spelling(_GEMM, "`Gemm`, weight (K, M)", _gemm()),
    Spelling(_GEMM, "transB = 1, weight (M, K)", _gemm(w=(M, K), c=(M,), transB=1)),
    Spelling(_GEMM, "transA = 1", _gemm(x=(K, N), c=(M,), transA=1)),
    Spelling(_GEMM, "the weight is A", _gemm(x=(K, N), w=(M, K), c=(M, 1), y=(M, N), left=True)),
    Spelling(_GEMM, "alpha and beta", _gemm(c=(M,), alpha=0.5, beta=2.0)),
    Spelling(_GEMM, "alpha = 0", _gemm(c=(M,), alpha=0.0)),
    Spelling(_GEMM, "beta = 0", _gemm(c=(M,), beta=0.0)),
    Spelling(_GEMM, "C of (1, M)", _gemm(c=(1, M))),
    Spelling(_GEMM, "C scalar", _gemm(c=())),
    Spelling(_GEMM, "C of (3, 1), which broadcasts along M", _gemm(x=(3, K), c=(3, 1), y=(3, M))),
    Spelling(_GEMM, "C computed at run time", _runtime_c),
    Spelling(_GEMM, "K = 1", _gemm(x=(N, 1), w=(1, M))),
    Spelling(_GEMM, "M = 1", _gemm(w=(K, 1), y=(N, 1))),
    Spelling(_MATMUL, "`MatMul`", _matmul()),
    Spelling(_MATMUL, "tokens (B, S, K)", _matmul(("B", "S", K))),
    Spelling(_MATMUL, "(B, H, W, K)", _matmul(("B", "H", "W", K))),
    Spelling(_MATMUL, "`MatMul`, `Add` of a bias", _matmul(("B", "S", K), bias=(M,))),
    Spelling(
        _MATMUL, "bias as first operand, of shape (1, 1, M)", _matmul(("B", "S", K), bias=(1, 1, M), bias_first=True)
    ),
    Spelling(_MATMUL, "weight on the left", _matmul((K, N), (M, K), left=True)),
    Spelling(_MATMUL, "weight on the left, a batch on the right", _matmul(("B", K, N), (M, K), left=True)),
    Spelling(_MATMUL, "activation of rank 1", _matmul((K,))),
    Spelling(_MATMUL, "weight of rank 1", _matmul((N, K), (K,))),
    Spelling(_MATMUL, "weight (1, 1, K, M)", _matmul((N, 5, K), (1, 1, K, M))),
    Spelling(_MATMUL, "one matrix a head, weight (4, K, M)", _matmul((N, 4, "S", K), (4, K, M))),
    Spelling(_MATMUL, "one matrix a head, that the activation shares", _matmul((N, K), (4, K, M))),
    Spelling(_MATMUL, "an `Add` that is a residual", _residual),
    Spelling(_MATMUL, "the product and the weight are outputs too", _outputs),
    Spelling(_WEIGHTS, "`Transpose` of a constant", _weight_through(_node("Transpose", ["v"], "w"), shape=(M, K))),
    Spelling(
        _WEIGHTS,
        "`Cast` of a float16 constant",
        _weight_through(_node("Cast", ["v"], "w", to=FLOAT), shape=(K, M), dtype=np.float16),
    ),
    Spelling(_WEIGHTS, "`Mul` of constants", _weight_through(_node("Mul", ["v", "v"], "w"), shape=(K, M))),
    Spelling(_WEIGHTS, "one weight, two layers", _two_of_one_weight),
    Spelling(_WEIGHTS, "a tied embedding that `Gather` reads", _tied),
    Spelling(_INPUTS, "`Flatten` of a map", _x_through(_node("Flatten", ["x"], "f"), x=(N, 3, 4, 5), k=60)),
    Spelling(
        _INPUTS,
        "`Reshape` of a map",
        _x_through(_node("Reshape", ["x", "s"], "f"), x=(N, 3, 4, 5), k=60, s=np.array([0, -1])),
    ),
    Spelling(
        _INPUTS,
        "`Transpose` to NHWC, `Flatten`",
        _x_through(
            _node("Transpose", ["x"], "t", perm=[0, 2, 3, 1]), _node("Flatten", ["t"], "f"), x=(N, 3, 4, 5), k=60
        ),
    ),
    Spelling(
        _INPUTS,
        "`Squeeze` of a pooled map",
        _x_through(
            _node("GlobalAveragePool", ["x"], "p"),
            _node("Squeeze", ["p", "a"], "f"),
            x=(N, 3, 4, 5),
            k=3,
            a=np.array([2, 3]),
        ),
    ),
    Spelling(
        _INPUTS,
        "`Transpose` of a map to (N, H, W, C)",
        _x_through(_node("Transpose", ["x"], "f", perm=[0, 2, 3, 1]), x=(N, 3, "H", "W"), k=3),
    ),
    Spelling(_OTHER, "`Einsum` bsk,km->bsm", _einsum("bsk,km->bsm", ("B", "S", K), (K, M))),
    Spelling(_OTHER, "implicit output, weight first", _einsum("km,bk", (N, K), (K, M), left=True)),
    Spelling(_OTHER, "...k,mk->...m", _einsum("...k,mk->...m", ("B", "S", K), (M, K))),
    Spelling(_OTHER, "two summed letters, bchw,chwm->bm", _einsum("bchw,chwm->bm", (N, 3, 4, 5), (3, 4, 5, M))),
    Spelling(_OTHER, "heads, bshd,hdm->bsm", _einsum("bshd,hdm->bsm", ("B", "S", 2, 4), (2, 4, M))),
    Spelling(_OTHER, "a letter of all three, bhk,hkm->bhm", _einsum("bhk,hkm->bhm", (N, 4, K), (4, K, M))),
    Spelling(
        _OTHER, "`FusedMatMul`, transB, alpha", _matmul(("B", "S", K), (M, K), op="FusedMatMul", transB=1, alpha=0.5)
    ),
    Spelling(
        _OTHER, "`FusedMatMul`, transBatchA", _matmul((K, 5, N), (5, K, M), op="FusedMatMul", transA=1, transBatchA=1)
    ),
    Spelling(_OTHER, "`FusedGemm` with LeakyRelu", _fused_gemm),
    Spelling(_BODIES, "both branches of `If`", _if),
    Spelling(_BODIES, "`Loop`, a weight of the outer graph", _loop),
    Spelling(_BODIES, "`Scan`", _scan),
    Spelling(_BODIES, "a local function", lambda: _function(nested=False)),
    Spelling(_BODIES, "a function in a function", lambda: _function(nested=True)),
    Spelling(_QDQ, "int8 weight, per tensor", _qdq(), tolerance=0),
    Spelling(_QDQ, "int8 weight, per channel", _qdq(per_channel=True), tolerance=0),
    Spelling(
        _QDQ, "transB = 1, per channel, int32 bias", _qdq(per_channel=True, transposed=True, bias=True), tolerance=0
    ),
    Spelling(_QDQ, "int32 bias, Relu", _qdq(bias=True, relu=True), tolerance=0),
    Spelling(_QDQ, "uint8 weight", _qdq(np.uint8), tolerance=0),
    Spelling(_QDQ, "int16 weight, per channel", _qdq(np.int16, per_channel=True), tolerance=0),
    Spelling(_QDQ, "int4 weight, per channel", _qdq(ml_dtypes.int4, per_channel=True), tolerance=0),
    Spelling(_QDQ, "int8 activations", _qdq(activations="int8"), tolerance=0),
    Spelling(_QDQ, "float activations, int8 weight", _qdq(activations=None)),
    Spelling(_QDQ, "`Flatten` between two pairs of one scale", _qdq(per_channel=True, flat=True), tolerance=0),
    Spelling(_QDQ, "uint4 weight in blocks of 8", _qdq(ml_dtypes.uint4, block=8, activations=None)),
    Spelling(_INTEGER, "`QLinearMatMul` uint8 x uint8", _qlinear("uint8", "uint8"), tolerance=0),
    Spelling(
        _INTEGER, "`QLinearMatMul` uint8 x int8, per channel", _qlinear("uint8", "int8", per_channel=True), tolerance=0
    ),
    Spelling(_INTEGER, "`QLinearMatMul` int8 x int8", _qlinear("int8", "int8"), tolerance=0),
    Spelling(_INTEGER, "`Flatten`, `QLinearMatMul` int8 x int8", _qlinear("int8", "int8", flat=True), tolerance=0),
    Spelling(_INTEGER, "`Flatten`, uint8 x int8 that may saturate", _qlinear("uint8", "int8", flat=True), tolerance=0),
    Spelling(
        _INTEGER, "`QGemm` with an int32 bias", _qlinear("uint8", "int8", per_channel=True, op="QGemm"), tolerance=0
    ),
    Spelling(_INTEGER, "`QGemm` with a float result", _summed("QGemm", "uint8", "uint8")),
    Spelling(_INTEGER, "`MatMulInteger` int8 x int8", _summed("MatMulInteger", "int8", "int8"), tolerance=0),
    Spelling(
        _INTEGER,
        "`MatMulInteger` uint8 x int8 within -64 and 64",
        _summed("MatMulInteger", "uint8", "int8", 64),
        tolerance=0,
    ),
    Spelling(_INTEGER, "`DynamicQuantizeLinear`, `MatMulInteger`, `Cast`, `Mul`", _dynamic_chain),
    Spelling(_INTEGER, "`DynamicQuantizeMatMul`", _summed("DynamicQuantizeMatMul", "uint8", "uint8")),
    Spelling(_INTEGER, "`MatMulIntegerToFloat`", _summed("MatMulIntegerToFloat", "uint8", "uint8")),
    Spelling(_NBITS, "`MatMulNBits`, 4 bits", _nbits(4)),
    Spelling(_NBITS, "`MatMulNBits`, 8 bits", _nbits(8)),
    Spelling(_DTYPES, "float16", _matmul(("B", "S", K), bias=(M,), dtype=np.float16), tolerance=5e-3),
    Spelling(
        _OPTIONS,
        "`--fuse`: `BatchNormalization` behind",
        _followed(
            _node("BatchNormalization", ["z", "g", "b", "m", "v"]),
            g=_positive(1),
            b=_positive(2),
            m=_positive(3),
            v=_positive(4),
        ),
        options={"fuse": True},
    ),
    Spelling(
        _OPTIONS,
        "`--fuse`: `Mul` and `Div` behind",
        _followed(_node("Mul", ["z", "g"], "p"), _node("Div", ["p", "v"]), g=_positive(1), v=_positive(2)),
        options={"fuse": True},
    ),
    Spelling(_OPTIONS, "`--freeze-inputs`: the weight has a default", _overridable, options={"freeze_inputs": True}),
    Spelling(
        _OPTIONS,
        "`--allow-unverifiable`: float64",
        _matmul(dtype=np.float64),
        options={"allow_unverifiable": True},
        tolerance=1e-10,
    ),
    Spelling(
        _OPTIONS,
        "`--allow-unverifiable`: bfloat16",
        _matmul(dtype=ml_dtypes.bfloat16),
        options={"allow_unverifiable": True},
        tolerance=2e-2,
    ),
    Spelling(_OPTIONS, "`--allow-unverifiable`: `GemmFastGelu`", _gelu, options={"allow_unverifiable": True}),
    Spelling(
        _OPTIONS,
        "`--allow-unverifiable`: `MatMulInteger` uint8 x int8",
        _summed("MatMulInteger", "uint8", "int8"),
        options={"allow_unverifiable": True},
        tolerance=0,
    ),
    Spelling(
        _STAYS,
        "two operands at run time",
        lambda: _model([_node("MatMul", ["x", "v"])], inputs=[value("v", [K, M])]),
        "FC2C-TWO-RUNTIME-OPERANDS",
    ),
    Spelling(_STAYS, "a weight that a caller may override", _overridable, "FC2C-OVERRIDABLE-WEIGHT"),
    Spelling(_STAYS, "float64", _matmul(dtype=np.float64), "FC2C-UNVERIFIABLE"),
    Spelling(_STAYS, "int32", _matmul(dtype=np.int32), "FC2C-UNSUPPORTED-DTYPE"),
    Spelling(
        _STAYS,
        "`MatMulInteger` uint8 x int8 that may saturate",
        _summed("MatMulInteger", "uint8", "int8"),
        "FC2C-NO-EQUAL-KERNEL",
    ),
    Spelling(_STAYS, "`MatMulNBits` of accuracy_level 4", _nbits(4, accuracy_level=4), "FC2C-QUANTIZED-WEIGHT"),
    Spelling(
        _STAYS, "an `Einsum` that sums over one operand alone", _einsum("nk,jm->nm", (N, K), (5, M)), "FC2C-EINSUM"
    ),
    Spelling(_STAYS, "an `Einsum` of a diagonal", _einsum("nkk,km->nm", (N, K, K), (K, M)), "FC2C-EINSUM"),
    Spelling(
        _STAYS, "a batch that may or may not broadcast", _matmul(("B", "S", K), (4, K, M)), "FC2C-AMBIGUOUS-BROADCAST"
    ),
    Spelling(_STAYS, "K = 0", _matmul((N, 0), (0, M)), "FC2C-EMPTY"),
)
"""In the order of the table."""
