"""Weights by reference: bytes of a file that stay there until they are written to another.

A weight is a *place* in a file, or the elements of another weight in another order. Both are tensors like any other to
whoever wants their elements; whoever writes them asks for the place, and lets the system copy it.
"""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from fc2conv_cli.views import View


class Place(NamedTuple):
    """A run of bytes in a file."""

    path: Path
    offset: int
    nbytes: int


class InFile(ir.LazyTensor):
    """A weight inside the model's own file, which is read from there when its elements are asked for.

    No `ir.ExternalTensor`, since it is serialised as what it is: a tensor with data.
    """

    def __init__(self, place: Place, dtype: ir.DataType, shape: Sequence[int], like: ir.TensorProtocol) -> None:
        """Refer to a place; name and notes are those of the tensor that stands for it in the graph."""
        path, offset, nbytes = place
        # Its own folder is not given: a model that is there by several links is none the worse for it.
        self.mapped = ir.ExternalTensor(
            str(path.absolute()), offset, nbytes, dtype, shape=ir.Shape(shape), name=like.name or ""
        )
        super().__init__(lambda: self.mapped, dtype, ir.Shape(shape))
        self.name, self.doc_string = like.name, like.doc_string
        self.metadata_props.update(like.metadata_props)
        self.place = place


class Rearranged(ir.LazyTensor):
    """The elements of another weight in another shape, and perhaps in another order.

    Attributes:
        source: The other weight.
        sizes: The blocks of it that move as one.
        order: The blocks in their new order.
    """

    def __init__(self, source: ir.TensorProtocol, view: View, shape: Sequence[int]) -> None:
        """Take the view of the source; it must be static."""
        super().__init__(self._tensor_of, source.dtype, ir.Shape(shape))
        sizes, order = view.blocks
        self.source = source
        self.sizes = tuple(size.static or 0 for size in sizes)
        self.order = order
        self._view = view

    @property
    def moves_nothing(self) -> bool:
        """Whether the bytes are those of the source."""
        return self._view.moves_nothing

    def tobytes(self) -> bytes:
        """Its bytes: those of the source, if they stay in order."""
        return self.source.tobytes() if self.moves_nothing else super().tobytes()

    def _tensor_of(self) -> ir.TensorProtocol:
        return ir.Tensor(np.ascontiguousarray(self._view.apply(self.source.numpy())), self.dtype)


def place_of(tensor: ir.TensorProtocol) -> Place | None:
    """Where the bytes of a tensor are, exactly as they would be written; None if they have to be made."""
    if isinstance(tensor, Rearranged):
        return place_of(tensor.source) if tensor.moves_nothing else None
    if isinstance(tensor, InFile):
        return tensor.place
    if isinstance(tensor, ir.ExternalTensor):
        return Place(Path(tensor.path), tensor.offset or 0, tensor.length or tensor.nbytes)
    return None


Origin = Literal["copied", "rearranged", "made"]


def origin_of(tensor: ir.TensorProtocol) -> Origin:
    """Whether the elements of a tensor are the original's as they are, in another order, or computed."""
    moves = False
    while isinstance(tensor, Rearranged):
        moves = moves or not tensor.moves_nothing
        tensor = tensor.source
    read = isinstance(tensor, ir.ExternalTensor | InFile | ir.serde.TensorProtoTensor | ir.StringTensor)
    return "made" if not read else "rearranged" if moves else "copied"


def release(tensor: ir.TensorProtocol) -> None:
    """Unmap the file that a tensor was read from, so that its pages are not counted as memory any more."""
    mapped = tensor.mapped if isinstance(tensor, InFile) else tensor
    if isinstance(mapped, ir.ExternalTensor):
        try:
            mapped.release()
        except BufferError:  # somebody still has the elements
            return


def mapped(place: Place) -> npt.NDArray[np.uint8]:
    """The bytes of a place; they are unmapped when the array goes."""
    with place.path.open("rb") as file:
        start = place.offset - place.offset % mmap.ALLOCATIONGRANULARITY
        lead = place.offset - start
        whole = mmap.mmap(file.fileno(), lead + place.nbytes, access=mmap.ACCESS_READ, offset=start)
        return np.frombuffer(whole, np.uint8, place.nbytes, lead)
