"""Symbolic inference of the main graph, of functions and of the bodies of loops.

The engine works in place and in the vocabulary of the file. Both are kept from it: what the file says is put back
afterwards, and symbolic dims go in under clean names, since a file may call one ``batch-size`` (read as a difference)
or ``?`` (read as a syntax error).
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator

import onnx_ir as ir

from fc2conv_cli.graphs import all_graphs, is_overridable
from fc2conv_cli.shapes.bodies import forget, infer_functions, widen_loops
from fc2conv_cli.shapes.engine import clean, fill_from_onnx, run
from fc2conv_cli.sizes import PLACEHOLDERS, Shape, Size

_ALIAS = "fc2c_dim_"

_MOST_TURNS = 16
"""Rounds until the dims that loops change are known to change; each round can only forget more."""


def infer(model: ir.Model) -> dict[ir.Value, tuple[Shape | None, ir.DataType | None]]:
    """The shape and dtype of every value of a model, as far as they are known.

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
    try:
        for v, _ in defaults:
            v.const_value = None
        for v in values:
            v.shape = declared.get(v) if v in given else None
        if not _run_all(model, values, declared):
            fill_from_onnx(model, values)
            if not _run_all(model, values, declared):
                for v in values:
                    v.shape = v.shape or declared.get(v)
                _run_all(model, values, declared)
        restored = {v: None if v.shape is None else names.restore(v.shape) for v in values}
        return {v: (shape, _quantized_dtype(v) or v.dtype) for v, shape in restored.items()}
    finally:
        for v, default in defaults:
            v.const_value = default
        for v, shape, type_ in saved:
            v.shape, v.type = shape, type_
        clean(values)


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
        complete = run(model)
        complete = infer_functions(model, run) and complete
        changed, unknown = widen_loops(model, declared)
        if not changed:
            break
        for v, shape in known:
            v.shape = shape
    forget(unknown)
    return complete and not unknown and all(v.shape is not None for v in values)


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

    def alias(self, shape: ir.Shape) -> ir.Shape:
        dims: list[int | str | None] = []
        for dim in shape:
            if isinstance(dim, int):
                dims.append(dim if dim >= 0 else None)  # Paddle and others write -1 for a dim that they do not know
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
