"""What a spelling may ask about the model, and the checks that all spellings share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import onnx_ir as ir

from fc2conv_cli import dequantization
from fc2conv_cli.constants import Constant, Constants
from fc2conv_cli.layers import reasons
from fc2conv_cli.records import Skip
from fc2conv_cli.shapes import Shapes
from fc2conv_cli.sizes import Shape

FLOATS = frozenset({ir.DataType.FLOAT, ir.DataType.FLOAT16})
UNVERIFIABLE_FLOATS = frozenset({ir.DataType.DOUBLE, ir.DataType.BFLOAT16})
"""Onnxruntime's CPU has no Conv for these."""
_FIRST_BFLOAT16_OPSET = 22
INTEGERS = frozenset({ir.DataType.INT8, ir.DataType.UINT8})


_COMPUTED_ON = "other nodes than layout nodes stand between its DequantizeLinear and the layer"


class Operands(NamedTuple):
    """The two operands of a layer, told apart.

    Attributes:
        x: The activation.
        shape: Its shape.
        weight: The weight by reference.
        weight_is_left: Whether the weight is the first operand.
    """

    x: ir.Value
    shape: Shape
    weight: Constant
    weight_is_left: bool


class Unreadable(NamedTuple):
    """Why a constant cannot serve as a weight."""

    reason: reasons.Reason
    detail: str


@dataclass(frozen=True)
class Context:
    """The model as the spellings see it.

    Attributes:
        shapes: Shapes and dtypes of all values.
        constants: Which values are constant.
        opset: Version of the default operator set.
        unverifiable: Whether layers that onnxruntime's CPU has no kernel for are converted too.
        fuse: Whether what scales and shifts the outputs of a layer is folded into it.
        function_graphs: The bodies of local functions, whose inputs are what a call passes.
        foreign_graphs: Those whose opset writes some operators otherwise than the model's, with their bodies.
    """

    shapes: Shapes
    constants: Constants
    opset: int
    unverifiable: bool = False
    fuse: bool = False
    function_graphs: frozenset[ir.Graph] = frozenset()
    foreign_graphs: frozenset[ir.Graph] = frozenset()
    _fed: dict[ir.Value, bool] = field(default_factory=dict, repr=False)

    def operands(
        self, node: ir.Node, factors: tuple[int, int] = (0, 1), dtypes: frozenset[ir.DataType] = FLOATS
    ) -> Operands | Skip:
        """Which of a node's two factors is the weight, or why the node is no layer of ours.

        Args:
            node: A node that multiplies.
            factors: The places of the factors among its inputs.
            dtypes: The types of weights that are converted.
        """
        a, b = (node.inputs[i] for i in factors)
        assert a is not None  # both are required by the operator
        assert b is not None
        first, second = self.weight(a), self.weight(b)
        left, right = first is not None, second is not None
        if left and right:
            return Skip(node, reasons.CONSTANT_RESULT)
        if not left and not right:
            whys = [self._why_not_constant(v) for v in (b, a)]
            known = [why for why in whys if why.reason is not reasons.TWO_RUNTIME_OPERANDS]
            return Skip(node, *(known or whys)[0])
        x, w = (b, a) if left else (a, b)
        weight, shape = first if left else second, self.shapes.shape(x)
        if isinstance(weight, Unreadable):
            return Skip(node, *weight)
        assert weight is not None  # exactly one of the two is a weight
        dtype = weight.dtype if weight.dequantization is None else weight.dequantization.dtype
        if dtype == ir.DataType.BFLOAT16 and self.opset < _FIRST_BFLOAT16_OPSET:
            return Skip(node, reasons.UNSUPPORTED_DTYPE, "a Conv of bfloat16 needs opset 22")
        if dtype in UNVERIFIABLE_FLOATS and not self.unverifiable:
            return Skip(node, reasons.UNVERIFIABLE, f"it is {dtype.name.lower()}")
        if dtype not in dtypes and not (dtypes is FLOATS and dtype in UNVERIFIABLE_FLOATS):
            return Skip(node, reasons.UNSUPPORTED_DTYPE, f"it is {dtype.name.lower()}")
        if shape is None:
            return Skip(node, reasons.UNKNOWN_SHAPE, f"activation {x.name!r}")
        if 0 in weight.shape:
            return Skip(node, reasons.EMPTY, f"weight {w.name!r} has shape {list(weight.shape)}")
        return Operands(x, shape, weight, left)

    def weight(self, value: ir.Value) -> Constant | Unreadable | None:
        """A value as a constant, dequantised or not; why it cannot be read; None when it is not constant."""
        if self.constants.is_constant(value):
            return self.constants.find(value) or Unreadable(reasons.UNKNOWN_SHAPE, f"weight {value.name!r}")
        found = dequantization.read(value, self.constants, self.shapes)
        if not isinstance(found, str):
            return found
        why = self._why_not_constant(value)
        return why if why.reason is reasons.OVERRIDABLE_WEIGHT else Unreadable(reasons.QUANTIZED_WEIGHT, found)

    def _why_not_constant(self, weight: ir.Value) -> Unreadable:
        """The first thing upstream of a weight that keeps it from being constant."""
        stack, seen = [weight], {weight}
        runtime = Unreadable(reasons.TWO_RUNTIME_OPERANDS, "")
        if self._is_fed(weight):
            return runtime
        verdict = runtime
        while stack:
            value = stack.pop()
            node = value.producer()
            if self.constants.is_overridable(value):
                verdict = Unreadable(reasons.OVERRIDABLE_WEIGHT, "" if value is weight else f"{value.name!r}")
            elif node is None:
                if value.graph in self.function_graphs:
                    verdict = Unreadable(reasons.WEIGHT_IS_ARGUMENT, "")
            else:
                fresh = [v for v in node.inputs if v is not None and v not in seen]
                seen.update(fresh)
                stack.extend(fresh)
                stored = node.inputs[0] if node.op_type == "DequantizeLinear" and node.inputs else None
                if verdict is runtime and stored is not None and self.constants.is_constant(stored):
                    verdict = Unreadable(reasons.QUANTIZED_WEIGHT, _COMPUTED_ON)
        return verdict

    def _is_fed(self, value: ir.Value) -> bool:
        """Whether anything upstream is an input that the caller gives: worked out once for each value."""
        stack = [value]
        while stack:
            top = stack[-1]
            node = top.producer()
            if top not in self._fed and (node is None or self.constants.is_overridable(top)):
                given = top.is_graph_input() and top.graph not in self.function_graphs
                self._fed[top] = given and not self.constants.is_overridable(top)
            elif top not in self._fed and node is not None:
                above = [v for v in node.inputs if v is not None]
                unknown = [v for v in above if v not in self._fed]
                if unknown:
                    stack.append(unknown[0])
                    continue
                self._fed[top] = any(self._fed[v] for v in above)
            stack.pop()
        return self._fed[value]
