"""The shape of every value, inferred without leaving a trace in the model.

`onnx_shape_inference` works in place and in the vocabulary of the file. Both are kept from it: what the file
says is put back afterwards, and symbolic dims go in under clean names, since a file may call one ``batch-size`` (read
as a difference) or ``?`` (read as a syntax error).
"""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Callable, Container, Iterator
from typing import Any

import onnx_ir as ir
from onnx_ir.passes.common.shape_inference import infer_shapes
from onnx_shape_inference import SYM_DATA_KEY, infer_symbolic_shapes, registry

from fc2conv_cli.body_shapes import forget, infer_functions, widen_loops
from fc2conv_cli.graphs import all_graphs, is_overridable
from fc2conv_cli.sizes import PLACEHOLDERS, Shape, Size

_ALIAS = "fc2c_dim_"

_MOST_TURNS = 16
"""Rounds until the dims that loops change are known to change; each round can only forget more."""

_EARLY_OPERATORS = {"LayerNormalization": 17, "Gelu": 20}
"""Operators that files use before the opset that made them standard, and that opset."""

_LATEST_OPSET = 21
"""Of MatMul, QuantizeLinear and DequantizeLinear, as far as shapes go."""

_logger = logging.getLogger(__name__)


class Shapes:
    """The shape and dtype of each value; grows while a graph is rewritten.

    Attributes:
        symbols: The names of symbolic dims that stand in the file itself.
    """

    def __init__(self, symbols: frozenset[str] = frozenset()) -> None:
        """Start with nothing known."""
        self.symbols = symbols
        self._shapes: dict[ir.Value, Shape] = {}
        self._dtypes: dict[ir.Value, ir.DataType] = {}

    def shape(self, value: ir.Value) -> Shape | None:
        """The shape of a value, or None when even its rank is unknown."""
        return self._shapes.get(value)

    def dtype(self, value: ir.Value) -> ir.DataType | None:
        """The element type of a value, or None when unknown."""
        return self._dtypes.get(value, value.dtype)

    def record(self, value: ir.Value, shape: Shape | None, dtype: ir.DataType | None) -> None:
        """Remember what is known of a value."""
        if shape is not None:
            self._shapes[value] = shape
        if dtype is not None:
            self._dtypes[value] = dtype


def infer(model: ir.Model) -> Shapes:
    """The shapes of all values of a model, which is left as it was.

    Where the symbolic engine does not know, onnx's own inference is asked. What the file says of inner values is used
    last: exporters and people leave stale `value_info` behind (a batch of 1 after the input was made dynamic).
    """
    values = list(dict.fromkeys(_all_values(model)))
    saved = [(v, v.shape, v.type) for v in values]
    names = _Names()
    declared = {v: names.alias(shape) for v, shape, _ in saved if shape is not None}
    given = {v for v in values if v.producer() is None}
    # A default that a caller may replace says nothing: a Reshape to it may be to any shape.
    defaults = [(v, v.const_value) for v in values if is_overridable(model, v)]
    shapes = Shapes(names.originals)
    try:
        for v, _ in defaults:
            v.const_value = None
        for v in values:
            v.shape = declared.get(v) if v in given else None
        if not _run_all(model, values, declared):
            _fill_from_onnx(model, values)
            if not _run_all(model, values, declared):
                for v in values:
                    v.shape = v.shape or declared.get(v)
                _run_all(model, values, declared)
        for v in values:
            shapes.record(v, None if v.shape is None else names.restore(v.shape), _quantized_dtype(v) or v.dtype)
    finally:
        for v, default in defaults:
            v.const_value = default
        for v, shape, type_ in saved:
            v.shape, v.type = shape, type_
            v.meta.pop(SYM_DATA_KEY, None)
            v.metadata_props.pop(SYM_DATA_KEY, None)
    return shapes


def _quantized_dtype(value: ir.Value) -> ir.DataType | None:
    """The type of what an operator of quantised values gives, which the engine takes for a float.

    It is that of the last zero point among the operands.
    """
    node = value.producer()
    if node is None or not (node.op_type.startswith("QLinear") or (node.op_type == "QGemm" and len(node.inputs) > 8)):
        return None
    types = [v.dtype for v in node.inputs if v is not None and v.dtype in (ir.DataType.INT8, ir.DataType.UINT8)]
    return types[-1] if types else None


def _run_all(model: ir.Model, values: list[ir.Value], declared: Container[ir.Value]) -> bool:
    """Infer the main graph, the bodies of its loops and its functions; whether nothing is left unknown."""
    known = [(v, v.shape) for v in values if v.producer() is not None]
    for _ in range(_MOST_TURNS):
        complete = _run(model)
        complete = infer_functions(model, _run) and complete
        changed, unknown = widen_loops(model, declared)
        if not changed:
            break
        for v, shape in known:
            v.shape = shape
    forget(unknown)
    return complete and not unknown and all(v.shape is not None for v in values)


def _fill_from_onnx(model: ir.Model, values: list[ir.Value]) -> None:
    """Ask onnx's shape inference, which propagates data further, for the shapes that are still unknown."""
    known = [(v, v.shape, v.type) for v in values if v.shape is not None]
    infer_shapes(model, check_type=False, strict_mode=False, data_prop=True)
    for v, shape, type_ in known:
        v.shape, v.type = shape, type_


def _run(model: ir.Model) -> bool:
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


def _all_values(model: ir.Model) -> Iterator[ir.Value]:
    for graph in all_graphs(model):
        yield from graph.inputs
        yield from graph.initializers.values()
        for node in graph:
            yield from node.outputs


class _Names:
    """Clean aliases for the symbolic dims of a file, and the way back."""

    def __init__(self) -> None:
        self._aliases: dict[str, str] = {}
        self._originals: dict[str, str] = {}

    @property
    def originals(self) -> frozenset[str]:
        return frozenset(self._aliases)

    def alias(self, shape: ir.Shape) -> ir.Shape:
        dims: list[int | str | None] = []
        for dim in shape:
            if isinstance(dim, int):
                dims.append(dim)
            elif dim.value is None or dim.value in PLACEHOLDERS:
                dims.append(None)
            else:
                dims.append(self._aliases.setdefault(dim.value, f"{_ALIAS}{len(self._aliases)}"))
                self._originals[self._aliases[dim.value]] = dim.value
        return ir.Shape(dims)

    def restore(self, shape: ir.Shape) -> Shape:
        return tuple(Size.of(dim) if isinstance(dim, int) else self._size(dim) for dim in shape)

    def _size(self, dim: ir.SymbolicDim) -> Size:
        if dim.value is None:
            return Size.of(f"{_ALIAS}{id(dim)}")  # unknown: equal to nothing but itself
        size = _parse_product(dim.value)
        return Size(size.coefficient, tuple(sorted(map(self._original, size.symbols))))

    def _original(self, text: str) -> str:
        return re.sub(rf"{_ALIAS}\d+", lambda found: self._originals.get(found[0], found[0]), text)


def _parse_product(text: str) -> Size:
    """Read ``2*a*b**2`` as a product; any other expression is one opaque symbol.

    The text is SymPy's own canonical one, so equal expressions are equal texts.
    """
    factors = _split_product(text)
    if factors is None:
        return Size.of(text)
    size = Size()
    for factor in factors:
        base, _, exponent = factor.rpartition("**")
        if base and exponent.isdigit():
            size = size * Size(1, (base,) * int(exponent))
        else:
            size = size * Size.of(int(factor) if factor.isdigit() else factor)
    return size


def _split_product(text: str) -> list[str] | None:
    """The factors outside all parentheses, or None when the text is not a product."""
    factors, depth = [""], 0
    for token in re.findall(r"\*\*|.", text):
        depth += (token == "(") - (token == ")")
        if not depth and token in "+-/% ":
            return None
        if not depth and token == "*":
            factors.append("")
        else:
            factors[-1] += token
    return factors
