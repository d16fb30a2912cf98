"""What the file of the original says that bears on a comparison."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import onnx_ir as ir

from fc2conv_cli.constants import Constants
from fc2conv_cli.errors import InvalidModelError
from fc2conv_cli.frontends.onnx_file import load
from fc2conv_cli.graphs import all_graphs
from fc2conv_cli.records import node_label
from fc2conv_cli.shapes import Shapes, infer
from fc2conv_cli.verification.declared import Shape, declared_outputs
from fc2conv_cli.verification.index_ranges import IndexRanges
from fc2conv_cli.verification.overrides import Ends, default_ranges

_RANDOM = frozenset(
    {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli"}
)
_KEEP_VALUES = frozenset(
    {"Cast", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity", "Transpose", "Slice", "Concat"}
)


_COARSEST_FIRST = {
    ir.DataType.BFLOAT16: "bfloat16",
    ir.DataType.FLOAT16: "float16",
    ir.DataType.FLOAT: "float32",
}


@dataclass(frozen=True)
class Facts:
    """What matters of a model.

    Attributes:
        tables: For each integer input that is an index: the least and the greatest, so that all of a table is read.
        masks: Integer inputs that are masks of 0 and 1, by what is done with them.
        called_masks: Those that are called so, and of which nothing else is known.
        lengths: For each integer input that counts the steps of sequences: the dim that it must not exceed, by name
            or as a number.
        unranked: Names of the inputs whose rank the file does not say.
        random: The label of a node whose result differs from run to run; None without one.
        coarsest_floats: By output: the coarsest float type that it is computed in. An output may be cast to a finer
            one, but is no more precise for it.
        quantized: Whether it rounds to integers or sums integers anywhere, as quantised models do.
        table_names: What each of these inputs looks up, where its values are the rows of that.
        sums_integers: Whether it has a kernel that sums integers, which may saturate in onnxruntime.
        chosen: Outputs that depend on which of several values is the largest: as integers they are no numbers.
        declared: The shapes that its file gives its outputs.
        default_ranges: Of the floats that a caller may override: what their defaults lie between.
        seeded: Whether it draws random numbers from a seed: what it gives depends on how often it ran before.
    """

    tables: Mapping[str, tuple[int, int]]
    masks: frozenset[str]
    called_masks: frozenset[str]
    lengths: Mapping[str, int | str]
    unranked: frozenset[str]
    random: str | None
    coarsest_floats: Mapping[str, str]
    quantized: bool
    chosen: frozenset[str] = frozenset()
    table_names: Mapping[str, str] = field(default_factory=dict)
    sums_integers: bool = False
    seeded: bool = False
    declared: Mapping[str, Shape | None] = field(default_factory=dict)
    default_ranges: Mapping[str, Ends] = field(default_factory=dict)


def facts_of(path: Path) -> Facts:
    """Read the facts from a file, without reading its weights."""
    model = load(path)
    _refuse_empty_depth(model, path)
    shapes = infer(model, path) if _has_integer_input(model) else Shapes()
    unranked = frozenset(v.name for v in model.graph.inputs if v.name and v.shape is None)
    constants = Constants(model, shapes)
    ranges = IndexRanges(model, shapes, constants)
    tables, masks, called = _integers(model, ranges)
    lengths, coarsest = _lengths(model, shapes), _coarsest_floats(model, constants)
    random, quantized = _random_node(model), _is_quantized(model)
    sums = any(_does(node, _SUMS_INTEGERS) for graph in all_graphs(model) for node in graph)
    names = _table_names(model, ranges, tables)
    more = _chosen(model), names, sums, _is_seeded(model), declared_outputs(model), default_ranges(model)
    return Facts(tables, masks, called, lengths, unranked, random, coarsest, quantized, *more)


def _refuse_empty_depth(model: ir.Model, path: Path) -> None:
    """Onnxruntime reads a depth that is not there, and ends the process."""
    for node in (node for graph in all_graphs(model) for node in graph if node.op_type == "OneHot" and not node.domain):
        depth = ir.convenience.get_const_tensor(node.inputs[1]) if len(node.inputs) > 1 and node.inputs[1] else None
        if depth is not None and depth.size == 0:
            problem = f"the depth of node {node_label(node)!r} (OneHot) is empty"
            raise InvalidModelError(path, problem, hint="Export the model again.")


_CHOOSE = frozenset({"ArgMax", "ArgMin", "TopK", "NonMaxSuppression", "NonZero", "Unique", "Compress"})


def _chosen(model: ir.Model) -> frozenset[str]:
    outputs = (v for v in model.graph.outputs if v.dtype is None or v.dtype.is_integer())
    return frozenset(v.name or "" for v in outputs if any(node.op_type in _CHOOSE for node in _above(v, model)))


_SUMS_INTEGERS = re.compile(
    r"(MatMul|Conv)Integer\w*|QLinear\w+|QGemm|DynamicQuantize(MatMul|LSTM)|QAttention|QEmbed\w+"
)
_QUANTIZED = re.compile(rf"{_SUMS_INTEGERS.pattern}|(Dynamic)?QuantizeLinear|DequantizeLinear")
"""Those that round to integers or compute with them."""


def _is_quantized(model: ir.Model) -> bool:
    return any(_does(node, _QUANTIZED) for graph in all_graphs(model) for node in graph)


def _does(node: ir.Node, names: re.Pattern[str]) -> bool:
    """Whether a node is one of ONNX's or onnxruntime's own of such a name, and no function that is only called so."""
    return node.domain in ("", "ai.onnx", "com.microsoft") and names.fullmatch(node.op_type) is not None


def _is_seeded(model: ir.Model) -> bool:
    nodes = (node for graph in all_graphs(model) for node in graph if node.domain == "" and "seed" in node.attributes)
    return any(node.op_type in _RANDOM or (node.op_type == "Dropout" and len(node.inputs) > 2) for node in nodes)


def _random_node(model: ir.Model) -> str | None:
    nodes = (node for graph in all_graphs(model) for node in graph)
    return next((node_label(node) for node in nodes if _is_random(node)), None)


def _is_random(node: ir.Node) -> bool:
    if node.domain != "" or any(attribute.is_ref() for attribute in node.attributes.values()):
        return False
    if (
        node.op_type == "Dropout"
        and len(node.inputs) > 2
        and node.inputs[2] is not None
        and "seed" not in node.attributes
    ):
        maker = node.inputs[2].producer()
        if maker is not None and any(attribute.is_ref() for attribute in maker.attributes.values()):
            return True  # each call of the function may switch it on
        training = ir.convenience.get_const_tensor(node.inputs[2])
        return training is not None and bool(training.numpy().reshape(-1)[0])
    return node.op_type in _RANDOM and "seed" not in node.attributes


def _has_integer_input(model: ir.Model) -> bool:
    return any(v.dtype is not None and v.dtype.is_integer() for v in model.graph.inputs)


def _coarsest_floats(model: ir.Model, constants: Constants) -> dict[str, str]:
    """By output: the coarsest float type among the nodes above it that depend on an input."""
    found: dict[str, str] = {}
    for output in model.graph.outputs:
        dtypes = {output.dtype}
        for node in _above(output, model, floats=True):
            if not node.outputs or not (constants.is_constant(node.outputs[0]) or _is_exact(node)):
                dtypes.update(_float_types(node))
        name = next((name for dtype, name in _COARSEST_FIRST.items() if dtype in dtypes), "float64")
        found[output.name or ""] = name
    return found


_NO_FLOATS = frozenset(
    {"Shape", "Size", "NonZero", "ArgMax", "ArgMin", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"}
    | {"And", "Or", "Xor", "Not", "IsNaN", "IsInf"}
)
"""Their results are integers or booleans, which are right or wrong, whatever the floats before them are worth."""
_WHOLE_TYPES = {ir.DataType.BOOL, ir.DataType.INT64, ir.DataType.INT32, ir.DataType.INT16}


def _ends_floats(node: ir.Node) -> bool:
    if node.domain != "" or any(attribute.is_ref() for attribute in node.attributes.values()):
        return False
    return node.op_type in _NO_FLOATS or (node.op_type == "Cast" and node.attributes.get_int("to", 0) in _WHOLE_TYPES)


def _is_exact(node: ir.Node) -> bool:
    """Whether a node makes floats of 0 and 1, which every type has."""
    source = node.inputs[0] if node.op_type == "Cast" and node.domain == "" else None
    maker = None if source is None else source.producer()
    if maker is not None and _ends_floats(maker):
        return maker.op_type in _NO_FLOATS - {"Shape", "Size", "NonZero", "ArgMax", "ArgMin"} or _is_boolean(maker)
    return source is not None and source.dtype == ir.DataType.BOOL


def _is_boolean(node: ir.Node) -> bool:
    return node.op_type == "Cast" and node.attributes.get_int("to", 0) == ir.DataType.BOOL


def _above(output: ir.Value, model: ir.Model, *, floats: bool = False) -> Iterator[ir.Node]:
    """Every node that an output depends on, with those of bodies and functions on the way.

    Args:
        output: The output.
        model: Its model.
        floats: Whether only what its floats are computed from counts, and not which element or size is chosen.
    """
    stack, seen = [output.producer()], set()
    functions = {(f.domain, f.name): f for f in model.functions.values()}
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if floats and _ends_floats(node):
            continue
        yield node
        inner = [body for attribute in node.attributes.values() for body in _bodies(attribute)]
        if (function := functions.get((node.domain, node.op_type))) is not None:
            inner.append(function.graph)
        stack.extend(n for body in inner for n in body)
        stack.extend(v.producer() for v in node.inputs if v is not None)


def _bodies(attribute: ir.Attr) -> list[ir.Graph]:
    if attribute.is_ref():
        return []
    if attribute.type == ir.AttributeType.GRAPH:
        return [attribute.as_graph()]
    return list(attribute.as_graphs()) if attribute.type == ir.AttributeType.GRAPHS else []


def _float_types(node: ir.Node) -> set[ir.DataType | None]:
    """The types that a node computes in, as far as the file says; what it only casts or dequantises does not count."""
    found = {v.dtype for v in node.outputs}
    if any(attribute.is_ref() for attribute in node.attributes.values()):
        return found
    if node.op_type == "Cast":
        return {*found, ir.DataType(node.attributes.get_int("to", 0))}
    tensors = [ir.convenience.get_const_tensor(v) for v in node.inputs if v is not None]
    runtime = {v.dtype for v in node.inputs if v is not None and v.is_graph_input()}
    return found | runtime | {tensor.dtype for tensor in tensors if tensor is not None}


_CALLED_MASK = re.compile(r"(?<![A-Za-z])(?i:mask)|[a-z]Mask")
"""`attention_mask`, `Mask`, `padMask`, but not `unmasked`."""


def _integers(
    model: ir.Model, ranges: IndexRanges
) -> tuple[dict[str, tuple[int, int]], frozenset[str], frozenset[str]]:
    """Of the integer inputs: what they are drawn from if that is known, which are masks, and which are called so."""
    tables: dict[str, tuple[int, int]] = {}
    masks, called = set(), set()
    for value in model.graph.inputs:
        name = value.name or ""
        if value.dtype is None or not value.dtype.is_integer():
            continue
        wanted = ranges.wanted(value)
        if wanted.drawn is not None:
            tables[name] = wanted.drawn
        elif wanted.is_mask or (wanted.like_mask and not wanted.other):
            masks.add(name)
        elif _CALLED_MASK.search(name):
            called.add(name)
    return tables, frozenset(masks), frozenset(called)


def _table_names(model: ir.Model, ranges: IndexRanges, tables: Collection[str]) -> dict[str, str]:
    """Of the inputs that look something up: what, if nothing else that is done with them bounds or widens it."""
    wanted = {v.name or "": ranges.wanted(v) for v in model.graph.inputs if v.name in tables}
    return {name: want.table for name, want in wanted.items() if want.table and want.must == want.reach}


_RECURRENT = frozenset({"LSTM", "GRU", "RNN"})
_LENGTHS_OPERAND = 4


def _lengths(model: ir.Model, shapes: Shapes) -> dict[str, int | str]:
    """Inputs that a recurrent layer takes as lengths: they count steps, its first axis (the second with layout 1)."""
    found: dict[str, int | str] = {}
    for value in model.graph.inputs:
        for node, index in _uses_through(value):
            recurrent = node.domain == "" and node.op_type in _RECURRENT and index == _LENGTHS_OPERAND
            shape = shapes.shape(node.inputs[0]) if recurrent and node.inputs[0] is not None else None
            if shape is not None and value.name:
                steps = shape[node.attributes.get_int("layout", 0)]
                found[value.name] = str(steps) if steps.static is None else steps.static
    return found


def _uses_through(value: ir.Value) -> list[tuple[ir.Node, int]]:
    found: list[tuple[ir.Node, int]] = []
    stack, seen = [value], {value}
    while stack:
        for node, index in stack.pop().uses():
            found.append((node, index))
            fresh = [v for v in node.outputs if v not in seen]
            keeps = node.op_type in _KEEP_VALUES and (index == 0 or node.op_type == "Concat")
            if node.domain == "" and keeps:
                seen.update(fresh)
                stack.extend(fresh)
    return found
