"""The shapes that a file declares for its outputs, and whether they hold: devices and compilers go by them."""

from __future__ import annotations

from collections.abc import Collection

import onnx_ir as ir

from fc2conv_cli.verification.interface import agree

Shape = tuple[int | str | None, ...]


def declared_outputs(model: ir.Model) -> dict[str, Shape | None]:
    """By output that is a tensor: its shape; None if the file says none."""
    outputs = (v for v in model.graph.outputs if v.name and (v.type is None or isinstance(v.type, ir.TensorType)))
    return {v.name or "": None if v.shape is None else tuple(map(_dim, v.shape)) for v in outputs}


def _dim(dim: int | ir.SymbolicDim) -> int | str | None:
    """A size below 0 says nothing, as some exporters mean it."""
    return dim.value if isinstance(dim, ir.SymbolicDim) else dim if dim >= 0 else None


def contradicted(
    theirs: Shape | None, ours: Shape | None, shapes: Collection[tuple[int, ...]]
) -> tuple[int, ...] | None:
    """A shape that came out and that the converted model denies; None if the original denies it too, or there is none.

    Args:
        theirs: What the converted model declares.
        ours: What the original declares.
        shapes: What came out of both.
    """
    if theirs is None:
        return None
    denied = (shape for shape in sorted(shapes) if not agree(theirs, shape))
    return next((shape for shape in denied if ours is None or agree(ours, shape)), None)
