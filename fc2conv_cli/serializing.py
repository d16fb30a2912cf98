"""Writes a model to its file, or to its file and a data file, without ever having all of its weights in memory.

The graph is serialised with tokens in the place of the large weights (`fc2conv_cli.wire`); then its bytes and those of
the weights go into the file in turn.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import onnx_ir as ir

from fc2conv_cli import wire
from fc2conv_cli.tensors import Initializer, held_tensors
from fc2conv_cli.transfer import Traffic, put, write
from fc2conv_cli.weights import Place, Rearranged, place_of, release

EXTERNAL_THRESHOLD = 256
"""Tensors up to this many bytes stay in the model file: shape inference must see the shapes of Reshape and the like."""
_ALIGNED_FROM = 2**20
_ALIGNMENT = 2**16
"""Where large tensors begin in a data file, so that every system can map them: https://onnx.ai/onnx/repo-docs/
ExternalData.html asks for 4 kB, and for 64 kB on Windows."""

Locate = Callable[[ir.TensorProtocol], ir.ExternalTensor | None]
"""Where a weight is already, as the model that is written will say it; None if it has to be written."""


def is_external(tensor: ir.TensorProtocol) -> bool:
    """Whether a tensor belongs into the data file of a model that has one."""
    return tensor.nbytes > EXTERNAL_THRESHOLD and tensor.dtype != ir.DataType.STRING


def write_model(model: ir.Model, path: Path, data: Path | None, traffic: Traffic, locate: Locate | None = None) -> None:
    """Write a model, whose tensors are the same afterwards.

    Args:
        model: The model.
        path: Its file.
        data: The file of its weights, in the same folder; None if they go into the model's file.
        traffic: What is written is added to it.
        locate: Which weights need not be written.

    Raises:
        OSError: The disk is full, or a file with weights is shorter than it was.
    """
    inside: dict[bytes, wire.Blob] = {}
    with_graph: list[ir.TensorProtocol] = []
    with contextlib.ExitStack() as stack:
        store = None if data is None else _Store(data.name, stack.enter_context(data.open("wb")), traffic)
        for held in held_tensors(model):
            tensor = held.tensor
            tensor.name = held.tensor_name
            there = _elsewhere(held, store, locate) if isinstance(held, Initializer) else None
            new = there or _token(tensor, inside)
            if there is None and not isinstance(new, _Token):
                with_graph.append(tensor)
            if new is not None:
                stack.callback(held.put, tensor)
                held.put(new)
        traffic.count(with_graph)
        serialised = ir.to_proto(model).SerializeToString()
    with path.open("wb") as file:
        for piece in wire.spliced(serialised, inside):
            if isinstance(piece, wire.Blob):
                _write(piece.content, file, traffic)
            else:
                put(piece, file)


def _elsewhere(held: Initializer, store: _Store | None, locate: Locate | None) -> ir.ExternalTensor | None:
    """The reference to a weight that is in a data file, or that is put there now; None if it stays with the graph."""
    if not is_external(held.tensor):
        return None
    if locate is not None and (there := locate(held.tensor)) is not None:
        return there
    return None if store is None else store.put(held.tensor)


def _token(tensor: ir.TensorProtocol, inside: dict[bytes, wire.Blob]) -> ir.TensorProtocol | None:
    """What stands for a tensor that is written into the model's file; None if it is serialised as it is."""
    if isinstance(tensor, ir.ExternalTensor):  # of no more bytes than stay in the file
        name, doc, props = tensor.name, tensor.doc_string, tensor.metadata_props
        return ir.Tensor(tensor.numpy(), tensor.dtype, name=name, doc_string=doc, metadata_props=props)
    large = tensor.nbytes >= wire.SMALLEST and tensor.dtype != ir.DataType.STRING
    if not large or isinstance(tensor, ir.serde.TensorProtoTensor):
        return None
    token = wire.token()
    inside[token] = wire.Blob(tensor.nbytes, tensor)
    return _Token(token, tensor)


class _Token(ir.LazyTensor):
    """A tensor of the type and shape of another, and a token for its bytes."""

    def __init__(self, token: bytes, tensor: ir.TensorProtocol) -> None:
        super().__init__(lambda: tensor, tensor.dtype, ir.Shape(tensor.shape.numpy()))
        self.name, self.doc_string = tensor.name, tensor.doc_string
        self.metadata_props.update(tensor.metadata_props)
        self._token = token

    def tobytes(self) -> bytes:
        """The token."""
        return self._token


class _Store:
    """A data file that grows. Weights that are one run of bytes in the original are one here."""

    def __init__(self, location: str, file: BinaryIO, traffic: Traffic) -> None:
        self._location, self._file, self._traffic = location, file, traffic
        self._known: dict[Place, int] = {}

    def put(self, tensor: ir.TensorProtocol) -> ir.ExternalTensor:
        """Write a tensor, and return the reference to it."""
        place = place_of(tensor)
        offset = None if place is None else self._known.get(place)
        if offset is None:
            if tensor.nbytes >= _ALIGNED_FROM:
                self._file.write(bytes(-self._file.tell() % _ALIGNMENT))
            offset = self._file.tell()
            _write(tensor, self._file, self._traffic)
        if place is not None:
            self._known[place] = offset
        return reference(tensor, self._location, offset)


def reference(tensor: ir.TensorProtocol, location: str, offset: int) -> ir.ExternalTensor:
    """A tensor like another, whose bytes are in a file."""
    shape = ir.Shape(tensor.shape.numpy())
    new = ir.ExternalTensor(location, offset, tensor.nbytes, tensor.dtype, shape=shape, name=tensor.name or "")
    new.doc_string = tensor.doc_string
    new.metadata_props.update(tensor.metadata_props)
    return new


def _write(tensor: ir.TensorProtocol, file: BinaryIO, traffic: Traffic) -> None:
    write(tensor, file, traffic)
    release(tensor.source if isinstance(tensor, Rearranged) else tensor)
