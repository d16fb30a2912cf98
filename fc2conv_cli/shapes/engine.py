"""Symbolic shape inference, corrected where the engine is wrong: `onnx_shape_inference`, and onnx's own behind it.

Both are imported with this module only: they take SymPy along, which costs more than everything else that a conversion
of a small model does.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterable
from typing import Any

import onnx_ir as ir
from onnx_ir.passes.common.shape_inference import infer_shapes
from onnx_shape_inference import SYM_DATA_KEY, infer_symbolic_shapes, registry

_EARLY_OPERATORS = {"LayerNormalization": 17, "Gelu": 20}
"""Operators that files use before the opset that made them standard, and that opset."""

_LATEST_OPSET = 21
"""Of MatMul, QuantizeLinear and DequantizeLinear, as far as shapes go."""

_logger = logging.getLogger(__name__)


def run(model: ir.Model) -> bool:
    """Infer a model in place; whether the engine got to the end."""
    for library in ("onnx_ir", "onnx_shape_inference"):
        logging.getLogger(library).setLevel(logging.ERROR)
    _adjust_engine()
    try:
        infer_symbolic_shapes(model, warn_on_missing=False, adopt_declared_symbols=False)
    except Exception:  # an odd node stops the whole engine; what was inferred until then still holds
        _logger.debug("shape inference stopped early", exc_info=True)
        return False
    return True


@functools.cache
def _adjust_engine() -> None:
    """Correct what the engine knows of some operators, once.

    Operators that onnxruntime took before they were standard are inferred at every opset. Squeeze without axes drops
    whatever turns out to be 1, so that its rank is unknown while a dim is symbolic; the engine takes none to be 1.
    A Split whose sizes are known at run time only is no Split into equal parts, as the engine has it.
    Onnxruntime's own QuantizeLinear and DequantizeLinear are the standard ones with more types, and some of its
    operators have the shape of a MatMul.
    """
    registry.collect()
    for op_type, corrected in (("Squeeze", _cautious), ("Split", _unequal)):
        for version in registry.version_boundaries("", op_type):
            infer_shape = registry.get("", op_type, version)
            if infer_shape is not None:
                registry.register("", op_type, since_version=version)(corrected(infer_shape))
    product = registry.get("", "MatMul", _LATEST_OPSET)
    for op_type in ("MatMulIntegerToFloat", "DynamicQuantizeMatMul", "GemmFastGelu"):
        if product is not None:
            registry.register("com.microsoft", op_type, since_version=1)(_with_float_result(product))
    for op_type in ("QuantizeLinear", "DequantizeLinear"):
        infer_shape = registry.get("", op_type, _LATEST_OPSET)
        if infer_shape is not None:
            registry.register("com.microsoft", op_type, since_version=1)(infer_shape)
    for op_type, version in _EARLY_OPERATORS.items():
        infer_shape = registry.get("", op_type, version)
        if infer_shape is not None:
            registry.register("", op_type, since_version=1)(infer_shape)


def _with_float_result(product: Callable[[Any, ir.Node], None]) -> Callable[[Any, ir.Node], None]:
    def infer_product(ctx: Any, node: ir.Node) -> None:
        product(ctx, node)
        if node.outputs[0].dtype is not None and node.op_type != "GemmFastGelu":
            node.outputs[0].dtype = ir.DataType.FLOAT

    return infer_product


def _cautious(squeeze: Callable[[Any, ir.Node], None]) -> Callable[[Any, ir.Node], None]:
    def infer_squeeze(ctx: Any, node: ir.Node) -> None:
        source = node.inputs[0]
        no_axes = "axes" not in node.attributes and (len(node.inputs) < 2 or node.inputs[1] is None)
        if not (no_axes and source is not None and source.shape is not None and source.shape.is_dynamic()):
            squeeze(ctx, node)

    return infer_squeeze


def _unequal(split: Callable[[Any, ir.Node], None]) -> Callable[[Any, ir.Node], None]:
    def infer_split(ctx: Any, node: ir.Node) -> None:
        split(ctx, node)
        sizes, shape = node.inputs[1] if len(node.inputs) > 1 else None, node.inputs[0] and node.inputs[0].shape
        if sizes is None or ir.convenience.get_const_tensor(sizes) is not None or not shape:
            return
        axis = node.attributes.get_int("axis", 0) % len(shape)
        for output in node.outputs:
            output.shape = ir.Shape([ctx.new_symbolic_dim() if i == axis else dim for i, dim in enumerate(shape)])

    return infer_split


def fill_from_onnx(model: ir.Model, values: list[ir.Value]) -> None:
    """Ask onnx's shape inference, which propagates data further, for the shapes that are still unknown."""
    known = [(v, v.shape, v.type) for v in values if v.shape is not None]
    infer_shapes(model, check_type=False, strict_mode=False, data_prop=True)
    for v, shape, type_ in known:
        v.shape, v.type = shape, type_


def clean(values: Iterable[ir.Value]) -> None:
    """Take away the notes that the engine leaves at values."""
    for v in values:
        v.meta.pop(SYM_DATA_KEY, None)
        v.metadata_props.pop(SYM_DATA_KEY, None)
