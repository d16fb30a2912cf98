"""A large ONNX file as a graph and references to its weights, which stay in the file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import onnx
import onnx_ir as ir

from fc2conv_cli import wire
from fc2conv_cli.tensors import held_tensors
from fc2conv_cli.weights import InFile, Place


class Parsed(NamedTuple):
    """A model as protobuf gives it, and the places of the weights that are only tokens in it."""

    proto: onnx.ModelProto
    weights: Mapping[bytes, Place]


def parse(path: Path) -> Parsed:
    """Parse an ONNX file, without its large weights if the file is large."""
    cut = wire.cut(path)
    if cut is None:
        return Parsed(onnx.load(path, format="protobuf", load_external_data=False), {})
    places = {token: Place(path, offset, nbytes) for token, (offset, nbytes) in cut.weights.items()}
    return Parsed(onnx.ModelProto.FromString(cut.model), places)


def refer(model: ir.Model, weights: Mapping[bytes, Place]) -> bool:
    """Let the weights be what the tokens stand for, in place; False if one of them is not as long as it should be."""
    if not weights:
        return True
    for held in held_tensors(model):
        if (place := _place(held.tensor, weights)) is not None:
            if place.nbytes != held.tensor.nbytes:
                return False
            held.put(_in_file(place, held.tensor))
    return True


def _place(tensor: ir.TensorProtocol, weights: Mapping[bytes, Place]) -> Place | None:
    return weights.get(tensor.raw.raw_data) if isinstance(tensor, ir.serde.TensorProtoTensor) else None


def _in_file(place: Place, tensor: ir.TensorProtocol) -> InFile:
    return InFile(place, tensor.dtype, tensor.shape.numpy(), tensor)
