"""Whether a file is valid ONNX: onnx.checker first, and onnxruntime for what the checker does not know.

Some files that run everywhere fail the checker (LayerNormalization before opset 17, which is onnxruntime's own). They
are not refused, but their conversions cannot be held to a checker that they fail themselves.
"""

from __future__ import annotations

import math
from pathlib import Path

import onnx
import onnx_ir as ir

from fc2conv_cli.frontends.large_file import parse
from fc2conv_cli.graphs import stored_tensors


def complaint(path: Path) -> str | None:
    """What onnx.checker says against a file in one line, or None if it is valid."""
    try:
        onnx.checker.check_model(_without_weights(path) or str(path))
    except Exception as error:  # the checker is C++ behind pybind: what escapes is not documented
        first = str(error).partition("==>")[0]  # the checker's own words; what follows repeats the node
        return " ".join(first.split()) or type(error).__name__
    return None


def _without_weights(path: Path) -> onnx.ModelProto | None:
    """A large model with empty tensors for its weights, of which the checker only asks whether they have their length.

    One with external data is checked by its path, since the checker looks for the files; so is one with a weight that
    has another length, for the checker to say it.
    """
    proto, weights = parse(path)
    for tensor in stored_tensors(proto) if weights else ():
        place = weights.get(tensor.raw_data)
        if tensor.data_location == onnx.TensorProto.EXTERNAL or (place and place.nbytes != _nbytes(tensor)):
            return None
        if place:
            tensor.ClearField("raw_data")
            tensor.dims[:] = [0]
    return proto if weights else None


def _nbytes(tensor: onnx.TensorProto) -> int | None:
    try:
        bits = int(ir.DataType(tensor.data_type).bitwidth)
    except (TypeError, ValueError):  # no such type, or none of a fixed size
        return None
    return math.ceil(math.prod(map(int, tensor.dims)) * bits / 8)
