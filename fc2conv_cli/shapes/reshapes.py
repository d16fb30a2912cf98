"""What standard inference does not see: that a Reshape to ``[-1, 400]`` keeps the batch of ``[N, 16, 5, 5]``."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import onnx
from onnx import numpy_helper

from fc2conv_cli.sizes import Shape, Size, product

_REST, _SAME = -1, 0
"""In the target of a Reshape: what is left of the elements, and the dim of the input at the same place."""

_MOST_DIMS = 64
"""Of a target; more numbers than that are a weight, whose bytes may have been taken out."""


def settled(graph: onnx.GraphProto, known: Mapping[str, Shape], names: Collection[str]) -> dict[str, Shape]:
    """The shapes of outputs of Reshapes that are not known, where the input and a constant target tell each dim.

    Args:
        graph: The graph.
        known: The shapes that are known, by the name of the value.
        names: The dims of inputs, which a dim may be called.
    """
    held = [(tensor.name, tensor) for tensor in graph.initializer]
    held += [(node.output[0], a.t) for node in graph.node for a in node.attribute if _holds_value(node, a)]
    constants = {name: tensor for name, tensor in held if len(tensor.dims) == 1 and tensor.dims[0] <= _MOST_DIMS}
    found: dict[str, Shape] = {}
    for node in graph.node:
        if node.op_type != "Reshape" or node.domain or len(node.input) != 2 or node.output[0] in known:
            continue
        source, target = known.get(node.input[0]), constants.get(node.input[1])
        if source is None or target is None or target.data_location == onnx.TensorProto.EXTERNAL:
            continue
        dims = numpy_helper.to_array(target).reshape(-1).tolist()
        if node.attribute and _SAME in dims:  # `allowzero`: a 0 is then no dim of the input
            continue
        shape = _reshaped(source, dims)
        if shape is not None and all(_can_be_said(size, names) for size in shape):
            found[node.output[0]] = shape
    return found


def _holds_value(node: onnx.NodeProto, attribute: onnx.AttributeProto) -> bool:
    return node.op_type == "Constant" and not node.domain and attribute.name == "value"


def _reshaped(source: Shape, target: Sequence[int]) -> Shape | None:
    """A shape in another one; None if it has a dim that is no size, or may be 0."""
    if target.count(_REST) != 1 or any(size.static == 0 for size in source):
        return None
    if any(dim < _REST or (dim == _SAME and place >= len(source)) for place, dim in enumerate(target)):
        return None
    sizes = [source[place] if dim == _SAME else Size.of(dim) for place, dim in enumerate(target)]
    at = target.index(_REST)
    rest = product(source).divide(product([*sizes[:at], *sizes[at + 1 :]]))
    return None if rest is None else (*sizes[:at], rest, *sizes[at + 1 :])


def _can_be_said(size: Size, names: Collection[str]) -> bool:
    """Whether a file can give a dim of that size: a number, or one name."""
    return size.static is not None or (size.coefficient == 1 and len(size.symbols) == 1 and size.symbols[0] in names)
