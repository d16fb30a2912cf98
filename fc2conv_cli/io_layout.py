"""The note in a model whose inputs and outputs are stored otherwise than in the model that it was made from.

It lists layout nodes that were taken off: by input, those that the caller now does; by output, those that the reader of
the result now does. A comparison does them in their place.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

KEY = "fc2conv.io_layout"
"""Its key in the model's `metadata_props`; JSON: ``{"inputs": {name: [[op_type, argument], ...]}, "outputs": ...}``."""

Array = npt.NDArray[np.generic]
Dim = int | str | None
Move = tuple[str, tuple[int, ...]]
"""The op_type of a layout node, and its `perm`, `axes` or `shape`."""


@dataclass(frozen=True)
class IoLayout:
    """What a model notes of its interface.

    Attributes:
        inputs: By name: what turns what the original takes into what this model takes.
        outputs: By name: what turns what this model gives into what the original gives.
    """

    inputs: dict[str, tuple[Move, ...]] = field(default_factory=dict)
    outputs: dict[str, tuple[Move, ...]] = field(default_factory=dict)

    def to_json(self) -> str:
        """The note as text."""
        return json.dumps({"inputs": self.inputs, "outputs": self.outputs})

    def since(self, earlier: IoLayout) -> IoLayout:
        """What has changed from a model with another note to this one; a file may have been converted twice."""
        inputs = {
            n: m[len(e) :] if m[: len(e := earlier.inputs.get(n, ()))] == e else m for n, m in self.inputs.items()
        }
        outputs = {}
        for name, moves in self.outputs.items():
            before = earlier.outputs.get(name, ())
            same = moves[len(moves) - len(before) :] == before
            outputs[name] = moves[: len(moves) - len(before)] if same else moves
        return IoLayout({n: m for n, m in inputs.items() if m}, {n: m for n, m in outputs.items() if m})


def recorded(metadata: Mapping[str, str]) -> IoLayout:
    """The note in the metadata of a model; an empty one if there is none that can be read: a file may say anything."""
    try:
        content = json.loads(metadata.get(KEY, "{}"))
        return IoLayout(_ports(content.get("inputs", {})), _ports(content.get("outputs", {})))
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        return IoLayout()


def _ports(content: Mapping[str, Sequence[tuple[str, Sequence[int]]]]) -> dict[str, tuple[Move, ...]]:
    return {
        str(name): tuple((str(op), tuple(int(n) for n in argument)) for op, argument in moves)
        for name, moves in content.items()
    }


def move(array: Array, moves: Sequence[Move]) -> Array:
    """Do layout nodes on an array.

    Raises:
        ValueError: They do not fit its shape.
    """
    for op, argument in moves:
        try:
            array = _DO[op](array, argument)
        except (IndexError, KeyError, TypeError, OverflowError, MemoryError) as error:
            raise ValueError(f"{op} {argument} does not fit {array.shape}") from error
    return array


def _reshape(array: Array, shape: tuple[int, ...]) -> Array:
    return array.reshape([array.shape[i] if size == 0 else size for i, size in enumerate(shape)])


_DO: dict[str, Callable[[Array, tuple[int, ...]], Array]] = {
    "Transpose": lambda array, perm: array.transpose(perm),
    "Squeeze": lambda array, axes: array.squeeze(axes),
    "Unsqueeze": lambda array, axes: np.expand_dims(array, axes),
    "Reshape": _reshape,
}


def moved_dims(dims: Sequence[Dim], moves: Sequence[Move]) -> tuple[Dim, ...]:
    """The dims that come of them; None for one that is inferred.

    Raises:
        ValueError: They do not fit.
    """
    try:
        for op, argument in moves:
            dims = _moved(dims, op, argument)
    except (IndexError, OverflowError):
        raise ValueError(f"{moves} do not fit {dims}") from None
    return tuple(dims)


def _moved(dims: Sequence[Dim], op: str, argument: tuple[int, ...]) -> list[Dim]:
    if op == "Reshape":
        return [dims[i] if size == 0 else None if size == -1 else size for i, size in enumerate(argument)]
    if op == "Transpose":
        return [dims[axis] for axis in argument]
    if op == "Squeeze":
        return [dim for i, dim in enumerate(dims) if i not in argument]
    kept = list(dims)
    for axis in sorted(argument):
        kept.insert(axis, 1)
    return kept
