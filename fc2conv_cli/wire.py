"""A serialised model with its large weights cut out, so that they pass through no protobuf.

A protobuf message is read and written as a whole: a model of 500 MB takes 500 MB to parse, as much again to
serialise, and each step copies every byte. But on the wire a message is only a list of (field, length, content), and
messages lie in one another as contents. So a weight can be taken out of the bytes of a model, or put in, by changing
the lengths of what encloses it: https://protobuf.dev/programming-guides/encoding.

Field numbers are those of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto, which never change.
"""

from __future__ import annotations

import itertools
import mmap
import os
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SMALLEST = 2**16
"""Bytes of the smallest weight that is cut out: copying less costs nothing."""
SMALLEST_FILE = 2**25
"""Bytes of the smallest file that it is done for."""
_MARK = os.urandom(16)
"""Every token of this process begins with it, so that all are found in one pass."""
_TOKEN_BYTES = 24
_numbers = itertools.count()

_RAW = "raw_data"
_INNER: dict[str, dict[int, str]] = {
    "ModelProto": {7: "GraphProto", 25: "FunctionProto"},
    "GraphProto": {1: "NodeProto", 5: "TensorProto"},
    "FunctionProto": {7: "NodeProto"},
    "NodeProto": {5: "AttributeProto"},
    "AttributeProto": {5: "TensorProto", 6: "GraphProto", 10: "TensorProto", 11: "GraphProto"},
    "TensorProto": {9: _RAW},
}
"""By message and field: what lies in it on the way to a weight."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True)
class Blob:
    """A piece of a file that is not in memory.

    Attributes:
        nbytes: Its length.
        content: What it is; whoever writes the pieces knows.
    """

    nbytes: int
    content: Any

    def __len__(self) -> int:
        """Its length, as that of the other pieces."""
        return self.nbytes


Piece = memoryview | bytes | Blob


class MalformedError(ValueError):
    """The bytes are no message; a protobuf parser says so better."""


@dataclass(frozen=True)
class Cut:
    """A model without its large weights.

    Attributes:
        model: The serialised model, with a token in the place of each weight.
        weights: By token: offset and length of the weight in the file.
    """

    model: bytes
    weights: Mapping[bytes, tuple[int, int]]


def token() -> bytes:
    """What stands for a weight; nobody writes the same by chance."""
    return _MARK + next(_numbers).to_bytes(_TOKEN_BYTES - len(_MARK), "big")


def cut(path: Path) -> Cut | None:
    """Read a model file without its large weights; None if it is small, or not to be read like that."""
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size < SMALLEST_FILE:
            return None
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole, memoryview(whole) as view:
            return _cut(view)


def _cut(view: memoryview) -> Cut | None:
    weights: dict[bytes, tuple[int, int]] = {}

    def take(start: int, end: int) -> Piece:
        name = token()
        weights[name] = (start, end - start)
        return name

    try:
        pieces = _edited(view, 0, len(view), "ModelProto", lambda start, end: end - start >= SMALLEST, take)
    except MalformedError:
        return None
    return Cut(b"".join(piece for piece in pieces if not isinstance(piece, Blob)), weights)


def spliced(model: bytes, weights: Mapping[bytes, Blob]) -> list[Piece]:
    """The opposite of `cut`: the pieces of a file that has weights in the place of their tokens."""
    view = memoryview(model)
    places = [at for at in _marks(model) if model[at : at + _TOKEN_BYTES] in weights]

    def encloses(start: int, end: int) -> bool:
        i = bisect_left(places, start)
        return i < len(places) and places[i] < end

    return _edited(view, 0, len(view), "ModelProto", encloses, lambda start, end: weights[model[start:end]])


def _marks(model: bytes) -> Iterator[int]:
    """Where a token may begin, in order."""
    at = model.find(_MARK)
    while at >= 0:
        yield at
        at = model.find(_MARK, at + _TOKEN_BYTES)


def _edited(
    data: memoryview,
    start: int,
    end: int,
    message: str,
    enters: Callable[[int, int], bool],
    replace: Callable[[int, int], Piece],
) -> list[Piece]:
    """The pieces of a message in which the raw data of tensors is replaced, wherever `enters` lets it be reached."""
    pieces: list[Piece] = []
    kept = at = start
    while at < end:
        tag, inside = _varint(data, at, end)
        number, wire = tag >> 3, tag & 7
        first, after = _content(data, inside, end, wire)
        inner = _INNER[message].get(number) if wire == _BYTES else None
        if inner is not None and enters(first, after):
            is_raw = inner == _RAW
            new = [replace(first, after)] if is_raw else _edited(data, first, after, inner, enters, replace)
            pieces += [data[kept:at], _as_varint(tag), _as_varint(sum(map(len, new))), *new]
            kept = after
        at = after
    pieces.append(data[kept:end])
    return pieces


def _content(data: memoryview, at: int, end: int, wire: int) -> tuple[int, int]:
    """Where the content of a field begins and ends."""
    if wire == _BYTES:
        length, at = _varint(data, at, end)
        after = at + length
    elif wire == _VARINT:
        after = _varint(data, at, end)[1]
    elif wire in (_FIXED64, _FIXED32):
        after = at + (8 if wire == _FIXED64 else 4)
    else:
        raise MalformedError(f"wire type {wire}")
    if after > end:
        raise MalformedError("a field ends behind its message")
    return at, after


def _varint(data: memoryview, at: int, end: int) -> tuple[int, int]:
    """A number of seven bits a byte, and where it ends."""
    number = shift = 0
    while at < end and shift < 64:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
    raise MalformedError("a number without an end")


def _as_varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
