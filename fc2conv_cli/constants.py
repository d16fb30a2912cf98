"""Which values are constant, and what they hold.

A value is constant when nobody can change it: an initializer that is not also a graph input (up to IR version 3 every
initializer had to be listed as an input, and was constant all the same), the output of a Constant node, or whatever
deterministic nodes compute from those.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from fc2conv_cli.dequantization import Dequantization
from fc2conv_cli.evaluation import evaluate
from fc2conv_cli.graphs import is_overridable
from fc2conv_cli.layout.nodes import view_of
from fc2conv_cli.shapes import Shapes
from fc2conv_cli.sizes import Shape
from fc2conv_cli.verification.runner import RunError
from fc2conv_cli.views import View

Array = npt.NDArray[np.generic]

_NOT_FOLDED = frozenset(
    {
        *(
            "RandomNormal",
            "RandomNormalLike",
            "RandomUniform",
            "RandomUniformLike",
            "Multinomial",
            "Bernoulli",
        ),
        *("If", "Loop", "Scan", "Dropout"),
        "DequantizeLinear",  # its integers are the weights that the compiler looks for
    }
)


@dataclass(frozen=True)
class Constant:
    """A constant by reference: where its bytes are, and the views that lie between them and the value.

    Attributes:
        origin: The value that holds the bytes: an initializer, or the output of a node that can be evaluated.
        views: Layout ops from the origin to the value, in the order in which they apply.
        shape: Shape of the value; static.
        dtype: Element type as it is stored.
        dequantization: How stored integers become the numbers that are multiplied; None if they are those numbers.
    """

    origin: ir.Value
    views: tuple[View, ...]
    shape: tuple[int, ...]
    dtype: ir.DataType
    dequantization: Dequantization | None = None


class Constants:
    """Finds and evaluates the constants of a model."""

    def __init__(self, model: ir.Model, shapes: Shapes) -> None:
        """Take the model as it is now; later changes of the graph only ever add constants."""
        self._model = model
        self._shapes = shapes
        self._known: dict[ir.Value, bool] = {}
        self._computed: dict[ir.Value, Array] = {}

    def is_overridable(self, value: ir.Value) -> bool:
        """Whether the value is an initializer that the caller may replace."""
        return is_overridable(self._model, value)

    def is_constant(self, value: ir.Value) -> bool:
        """Whether nobody can change the value."""
        if (known := self._known.get(value)) is not None:
            return known
        stack = [value]
        while stack:
            top = stack[-1]
            if top in self._known:
                stack.pop()
                continue
            node = top.producer()
            if node is None:
                self._known[top] = top.is_initializer() and top.const_value is not None and not self.is_overridable(top)
            elif not _foldable(node):
                self._known[top] = False
            elif unknown := [v for v in node.inputs if v is not None and v not in self._known]:
                stack.extend(unknown)
            else:
                self._known[top] = all(self._known[v] for v in node.inputs if v is not None)
        return self._known[value]

    def find(self, value: ir.Value) -> Constant | None:
        """The value as a constant by reference, or None when it is not constant or cannot be computed.

        What only nodes compute is computed here and kept, because those nodes may be gone when it is read.
        """
        if not self.is_constant(value):
            return None
        views: list[View] = []
        origin = value
        while (node := origin.producer()) is not None and (view := view_of(node, self._shapes)) is not None:
            views.append(view)
            source = node.inputs[0]
            assert source is not None  # or it would have no view
            origin = source
        tensor = ir.convenience.get_const_tensor(origin)
        try:
            dtype = ir.DataType.from_numpy(self._origin_array(origin).dtype) if tensor is None else tensor.dtype
        except (RunError, TypeError):
            return None
        views.reverse()
        if views:
            return Constant(origin, tuple(views), _dims(views[-1].target_shape), dtype)
        return Constant(origin, (), self._origin_shape(origin), dtype)

    def array(self, constant: Constant) -> Array:
        """The elements of a constant; a view of the file's own bytes if no element has to move."""
        array = self._origin_array(constant.origin)
        for view in constant.views:
            array = view.apply(array)
        return array.reshape(constant.shape)

    def _origin_array(self, value: ir.Value) -> Array:
        tensor = ir.convenience.get_const_tensor(value)
        if tensor is not None:
            return tensor.numpy()
        if value not in self._computed:
            # In onnxruntime, so that it is exactly what the original computes.
            self._computed[value] = evaluate(value, *_cone(value), self._model)
        return self._computed[value]

    def _origin_shape(self, value: ir.Value) -> tuple[int, ...]:
        tensor = ir.convenience.get_const_tensor(value)
        return self._origin_array(value).shape if tensor is None else tuple(tensor.shape.numpy())


def _dims(shape: Shape) -> tuple[int, ...]:
    return tuple(d for size in shape if (d := size.static) is not None)


def _foldable(node: ir.Node) -> bool:
    return (
        node.domain == ""
        and node.op_type not in _NOT_FOLDED
        and not any(a.is_ref() or a.type == ir.AttributeType.GRAPH for a in node.attributes.data.values())
    )


def _cone(value: ir.Value) -> tuple[list[ir.Node], list[ir.Value]]:
    """The nodes that a constant is computed by, in order, and the initializers that they read."""
    nodes: list[ir.Node] = []
    leaves: dict[ir.Value, None] = {}
    done: set[ir.Node] = set()
    stack: list[tuple[ir.Value, bool]] = [(value, False)]
    while stack:
        top, ready = stack.pop()
        node = top.producer()
        if node is None:
            leaves[top] = None
        elif ready and node not in done:
            done.add(node)
            nodes.append(node)
        elif node not in done:
            stack.append((top, True))
            stack.extend((v, False) for v in node.inputs if v is not None)
    return nodes, list(leaves)
