"""A model in ONNX's reference evaluator, with the sums of layers in double precision.

Slower than onnxruntime by far, and asked only where onnxruntime has no verdict: it has no kernel for a type, its
integer kernels saturate, or float sums in another order flip the rounding of a QuantizeLinear. A sum in double
precision that is rounded once comes out the same in any order.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import onnx
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun
from onnx.reference.ops.op_conv import Conv as _Conv
from onnx.reference.ops.op_dequantize_linear import DequantizeLinear_23

from fc2conv_cli.memory import refuse_if_out_of_memory
from fc2conv_cli.verification import contrib, shares
from fc2conv_cli.verification.interface import agree, shape_text
from fc2conv_cli.verification.runner import Port, RunError

Array = npt.NDArray[Any]


def _wide(array: Array) -> Array:
    """Floats in double precision; integers as they are."""
    return array if array.dtype.kind in "iub" else array.astype(np.float64)


class MatMul(OpRun):
    """MatMul with sums in double precision."""

    def _run(self, a: Array, b: Array) -> tuple[Array]:
        return (np.matmul(_wide(a), _wide(b)).astype(a.dtype),)


class Gemm(OpRun):
    """Gemm with sums in double precision."""

    def _run(
        self,
        a: Array,
        b: Array,
        c: Array | None = None,
        alpha: float = 1.0,
        beta: float = 1.0,
        transA: int = 0,
        transB: int = 0,
    ) -> tuple[Array]:
        result = np.matmul(_wide(a.T if transA else a), _wide(b.T if transB else b)) * alpha
        if c is not None and beta != 0:
            result = result + _wide(c) * beta
        return (result.astype(a.dtype),)


class Conv(_Conv):
    """Conv with sums in double precision."""

    def _run(self, X: Array, W: Array, B: Array | None = None, **attributes: Any) -> tuple[Array]:  # type: ignore[override]
        wide = [_wide(X), _wide(W), None if B is None else _wide(B)]
        (result,) = super()._run(*wide, **attributes)  # type: ignore[no-untyped-call]
        return (result.astype(X.dtype),)


_FIRST_DEQUANTIZE_LINEAR = 19
"""The first opset whose DequantizeLinear the evaluator knows."""


class DequantizeLinear(DequantizeLinear_23):
    """The one of opset 23, which does what those of opset 10 and 13 do too."""

    op_domain = ""


class _Evaluator(ReferenceEvaluator):
    """The evaluator with our operators, in the functions of a model as well, which it makes of its own class."""

    def __init__(self, proto: Any, **options: Any) -> None:
        given = options.pop("new_ops", None)
        ours = _operators(proto) if isinstance(proto, onnx.ModelProto | onnx.FunctionProto) else []
        super().__init__(proto, new_ops=given or ours, **options)


class ReferenceRunner:
    """A model that is loaded and can be run; the counterpart of `Runner`."""

    def __init__(self, model: Path | onnx.ModelProto) -> None:
        """Load a model.

        Args:
            model: Its file, or what is in it, weights included.

        Raises:
            RunError: It uses an operator that the evaluator does not know.
        """
        try:
            proto = onnx.load(model) if isinstance(model, Path) else model
            self._evaluator = _Evaluator(proto)
        except Exception as error:  # whatever an operator raises
            refuse_if_out_of_memory(error)
            raise RunError(_one_line(error)) from error
        initializers = {tensor.name for tensor in proto.graph.initializer}
        ports = [_port(value) for value in proto.graph.input]
        self.inputs = tuple(port for port in ports if port.name not in initializers)
        self.overridable = tuple(port for port in ports if port.name in initializers and proto.ir_version > 3)
        self.outputs = tuple(_port(value) for value in proto.graph.output)
        self.metadata: Mapping[str, str] = {entry.key: entry.value for entry in proto.metadata_props}

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Any]:
        """Run the model once.

        Returns:
            Every output by name.

        Raises:
            RunError: The model does not take these inputs.
        """
        names = [port.name for port in self.outputs]
        for port in self.inputs:  # the evaluator takes any shape; onnxruntime and devices do not
            if port.name in feeds and port.shape is not None and not agree(port.shape, feeds[port.name].shape):
                fed = shape_text(feeds[port.name].shape)
                raise RunError(f"input {port.name!r} is fed {fed}, and is declared as {shape_text(port.shape)}")
        try:
            with np.errstate(all="ignore"):
                return dict(zip(names, self._evaluator.run(names, dict(feeds)), strict=True))
        except Exception as error:
            refuse_if_out_of_memory(error)
            raise RunError(_one_line(error)) from error


def _operators(proto: onnx.ModelProto | onnx.FunctionProto) -> list[type[OpRun]]:
    """Ours, and what the evaluator lacks at the model's opset."""
    opset = next((entry.version for entry in proto.opset_import if entry.domain in ("", "ai.onnx")), 1)
    early = [DequantizeLinear] if opset < _FIRST_DEQUANTIZE_LINEAR else []
    return [MatMul, Gemm, Conv, *early, *shares.OPERATORS, *contrib.OPERATORS]


def _port(value: onnx.ValueInfoProto) -> Port:
    tensor = value.type.tensor_type
    if not value.type.HasField("tensor_type"):
        return Port(value.name, value.type.WhichOneof("value") or "unknown", None)
    name = onnx.TensorProto.DataType.Name(cast("onnx.TensorProto.DataType", tensor.elem_type)).lower()
    shape = [_dim(d) for d in tensor.shape.dim] if tensor.HasField("shape") else None
    return Port(value.name, f"tensor({name})", None if shape is None else tuple(shape))


def _dim(dim: onnx.TensorShapeProto.Dimension) -> int | str | None:
    """A size below 0 says nothing, as onnxruntime takes it."""
    return dim.dim_value if dim.HasField("dim_value") and dim.dim_value >= 0 else dim.dim_param or None


def _one_line(error: Exception) -> str:
    return f"the reference evaluator: {' '.join(str(error).split())[:300] or type(error).__name__}"
