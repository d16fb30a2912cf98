"""Weights that something else reads too: a tied embedding that Gather looks up, for example.

The convolution keeps a weight of its own, which is what compilers look for. If that has the bytes of the original, the
others read it through a Squeeze or Reshape of a constant, and the original goes; if not, both stay, and it is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from fc2conv_cli.graphs import is_overridable
from fc2conv_cli.layout.builder import Builder
from fc2conv_cli.layout.kernels import Stored
from fc2conv_cli.layout.nodes import can_move
from fc2conv_cli.layout.steps import regroup
from fc2conv_cli.sizes import shape_of


@dataclass(frozen=True)
class Duplicate:
    """A weight that the converted model stores more than once.

    Attributes:
        name: Its name in the original.
        extra_bytes: What it takes beyond the largest of its arrangements.
    """

    name: str
    extra_bytes: int


def reuse(model: ir.Model, build: Builder, stored: Mapping[ir.Value, Sequence[Stored]]) -> Iterator[Duplicate]:
    """Let other readers of a weight read what was written for the convolution, in place, where its bytes are the same.

    Args:
        model: The model, after what lost its last reader has been removed.
        build: To write the Squeeze or Reshape with.
        stored: What `fc2conv_cli.layout.emit.emit` returned.

    Yields:
        The weights that are stored more than once for all that.
    """
    for origin, kernels in stored.items():
        maker = origin.producer()
        home = origin.graph if maker is None else maker.graph
        alike = [k.value for k in kernels if k.same_bytes and k.value.is_initializer() and k.value.graph is home]
        tensor = ir.convenience.get_const_tensor(origin)
        movable = tensor is not None and can_move(tensor.dtype)
        if tensor is not None and movable and _is_read(origin) and alike and _may_go(model, origin):
            _read_from(build, origin, tensor, alike[0])
            build.released.append(origin)
        sizes = [_size(kernel.value) for kernel in kernels]
        if tensor is not None and _is_read(origin):
            sizes.append(tensor.nbytes)
        if len(sizes) > 1:
            yield Duplicate(origin.name or "", sum(sizes) - max(sizes))


def _is_read(origin: ir.Value) -> bool:
    return bool(origin.uses()) or origin.is_graph_output()


def _may_go(model: ir.Model, origin: ir.Value) -> bool:
    return not origin.is_graph_output() and not is_overridable(model, origin)


def _read_from(build: Builder, origin: ir.Value, tensor: ir.TensorProtocol, kernel: ir.Value) -> None:
    """Make the readers of `origin` read `kernel` in the shape that they know."""
    producer = origin.producer()
    graph = origin.graph if producer is None else producer.graph
    assert graph is not None  # it was found in one
    assert kernel.shape is not None
    build.at(next(iter(graph)), (), tensor.dtype)
    source, target = (shape_of(shape.numpy()) for shape in (kernel.shape, tensor.shape))
    value = build.steps(kernel, regroup(source, target), origin.name or "")
    origin.replace_all_uses_with(value)


def _size(value: ir.Value) -> int:
    return 0 if value.const_value is None else value.const_value.nbytes
