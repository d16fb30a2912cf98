"""Writes the bytes of weights into a file: copied by the system where they are right, else in order, block by block.

as they are     copy_file_range: the bytes never enter this process, and some file systems only share them
rearranged      from the map of the source, 8 MB of the target at a time
4-bit           two elements a byte: unpacked, rearranged and packed in such blocks
else            whatever the tensor gives, in memory
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from fc2conv_cli.weights import Origin, Place, Rearranged, mapped, origin_of, place_of

_BLOCK = 2**23
_PIECE = 2**17
"""Bytes to write at once, as many as `cat` does. Linux's ext4 takes ten times as long for pieces of 8 MB, of which it
makes large pages: 4.2 s for a gigabyte against 0.4 s."""
_KERNEL_BLOCK = 2**26
"""The system copies as much at once, so that a progress bar moves."""
_CACHE_LINE = 64
_NO_KERNEL_COPY = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.EXDEV}
"""What a system says that cannot copy between these two files by itself."""

Array = npt.NDArray[np.generic]
Bytes = npt.NDArray[np.uint8]


def _nobody(written: int) -> None:
    pass


@dataclass
class Traffic:
    """How many bytes of weights were written.

    Attributes:
        copied: As they are in the original.
        rearranged: In another order.
        made: Computed, or of a tensor that is in memory, as biases are.
        told: Told after every block how many bytes were written in all.
    """

    copied: int = 0
    rearranged: int = 0
    made: int = 0
    told: Callable[[int], None] = field(default=_nobody, compare=False, repr=False)

    @property
    def counts(self) -> tuple[int, int, int]:
        """Copied, rearranged and made."""
        return self.copied, self.rearranged, self.made

    def count(self, written: Iterable[ir.TensorProtocol]) -> None:
        """Count tensors that are written with the graph."""
        sums: dict[Origin, int] = {"copied": 0, "rearranged": 0, "made": 0}
        for tensor in written:
            sums[origin_of(tensor)] += tensor.nbytes
        self.add(copied=sums["copied"], rearranged=sums["rearranged"], made=sums["made"])

    def add(self, *, copied: int = 0, rearranged: int = 0, made: int = 0) -> None:
        """Count what was written."""
        self.copied += copied
        self.rearranged += rearranged
        self.made += made
        self.told(self.copied + self.rearranged + self.made)


def write(tensor: ir.TensorProtocol, file: BinaryIO, traffic: Traffic) -> None:
    """Write the bytes of a tensor where a file stands.

    Raises:
        OSError: The disk is full, or the source is shorter than it was.
    """
    if (place := place_of(tensor)) is not None:
        _copy(place, file, traffic)
        return
    origin = origin_of(tensor)
    if isinstance(tensor, Rearranged) and tensor.dtype.bitwidth in _DTYPES and tensor.size:
        for block in _rearranged(tensor):
            put(block.data, file)
            traffic.add(**{origin: block.nbytes})
    else:
        put(tensor.tobytes(), file)
        traffic.count([tensor])


def put(data: bytes | memoryview, file: BinaryIO) -> None:
    """Write bytes in small pieces."""
    if not memoryview(data).nbytes:  # which has no cast
        return
    whole = memoryview(data).cast("B")
    for i in range(0, len(whole), _PIECE):
        file.write(whole[i : i + _PIECE])


def _copy(place: Place, file: BinaryIO, traffic: Traffic) -> None:
    with place.path.open("rb", buffering=0) as source:
        file.flush()
        done = _copy_in_kernel(source.fileno(), file.fileno(), place, file.tell(), traffic)
        file.seek(done, os.SEEK_CUR)
        source.seek(place.offset + done)
        while done < place.nbytes:
            block = source.read(min(_BLOCK, place.nbytes - done))
            if not block:
                raise OSError(f"{place.path} is shorter than it was")
            put(block, file)
            done += len(block)
            traffic.add(copied=len(block))


def _copy_in_kernel(source: int, target: int, place: Place, at: int, traffic: Traffic) -> int:
    """Copy as much as the system does by itself, and return how much that is."""
    done = 0
    copy_file_range = getattr(os, "copy_file_range", None)  # Linux
    while copy_file_range is not None and done < place.nbytes:
        try:
            most = min(_KERNEL_BLOCK, place.nbytes - done)
            count = copy_file_range(source, target, most, place.offset + done, at + done)
        except OSError as error:
            if error.errno not in _NO_KERNEL_COPY:
                raise
            break
        if not count:
            break
        done += count
        traffic.add(copied=count)
    return done


_DTYPES: dict[int, npt.DTypeLike] = {4: np.uint8, 8: np.uint8, 16: "<u2", 32: "<u4", 64: "<u8", 128: "<c16"}
"""By the bits of an element: what has as many, for moving it about; 4-bit elements are unpacked."""


def _rearranged(tensor: Rearranged) -> Iterator[Array]:
    """The bytes of a rearranged weight, a block at a time; a block is gone when the next one comes."""
    bits, place = tensor.dtype.bitwidth, place_of(tensor.source)
    raw = np.frombuffer(tensor.source.tobytes(), np.uint8) if place is None else mapped(place)
    elements: Array = _unpacked(raw, tensor.size) if bits == 4 else raw.view(_DTYPES[bits])
    view = elements.reshape(tensor.sizes).transpose(tensor.order)
    step = max(1, _BLOCK // view.itemsize)
    buffer = np.empty(min(step, view.size), view.dtype)
    filled = (_filled(block, buffer) for block in _blocks(view, step))
    return _packed(filled) if bits == 4 else filled


def _blocks(view: Array, most: int) -> Iterator[Array]:
    """A view in its own order, in parts of at most so many elements."""
    if view.size <= most:
        yield view
        return
    row = view.size // view.shape[0]
    step = max(1, most // row)
    for i in range(0, view.shape[0], step):
        if row > most:
            yield from _blocks(view[i], most)
        else:
            yield view[i : i + step]


def _filled(block: Array, buffer: Array) -> Array:
    """A block, contiguous in the buffer.

    numpy copies in the order of the target. Where that walks across the rows of the source, a cache line is read anew
    for every element; so it goes by strips that are a line wide.
    """
    target = buffer[: block.size].reshape(block.shape)
    strip = max(1, _CACHE_LINE // block.itemsize)
    if block.ndim > 1 and block.strides[-1] != block.itemsize:
        for i in range(0, block.shape[-1], strip):
            target[..., i : i + strip] = block[..., i : i + strip]
    else:
        target[...] = block
    return target.reshape(-1)


def _unpacked(raw: Bytes, size: int) -> Bytes:
    """Elements of 4 bits in a byte each, the low half first."""
    elements = np.empty(2 * raw.size, np.uint8)
    for i in range(0, raw.size, _BLOCK):
        part = raw[i : i + _BLOCK]
        np.bitwise_and(part, 0x0F, out=elements[2 * i : 2 * (i + part.size) : 2])
        np.right_shift(part, 4, out=elements[2 * i + 1 : 2 * (i + part.size) : 2])
    return elements[:size]


def _packed(blocks: Iterator[Array]) -> Iterator[Array]:
    """The opposite, block by block; an element without a partner waits for the next block."""
    waiting = np.empty(0, np.uint8)
    for block in blocks:
        both = np.concatenate([waiting, block])
        even = both.size - both.size % 2
        yield both[:even:2] | (both[1:even:2] << 4)
        waiting = both[even:].copy()
    yield waiting
