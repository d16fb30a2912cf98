"""The note on the node that gives a converted layer's output: which layer it was, and how its values are stored now.

With it a comparison finds the values of both models that belong together, whatever a later tool does to their names.
Shapes may be symbolic, and what they are is known only when a model runs; so a note says how the elements move
(`Arrangement`), and the shapes of that run do the rest.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fc2conv_cli.sizes import Size
from fc2conv_cli.views import View

KEY = "fc2conv.layer"
"""Its key in the node's `metadata_props`."""

Array = npt.NDArray[np.generic]
Sizes = tuple[Size, ...]


@dataclass(frozen=True)
class Arrangement:
    """How the elements of a value move: ``reshape(blocks).transpose(order).reshape(target)``.

    Attributes:
        source: Shape before.
        blocks: Parts of it that move as one.
        order: Where they go.
        target: Shape after.
    """

    source: Sizes
    blocks: Sizes
    order: tuple[int, ...]
    target: Sizes

    @classmethod
    def of(cls, view: View) -> Arrangement:
        """What a view does."""
        return cls(view.source_shape, *view.blocks, view.target_shape)

    def apply(self, array: Array, shape: Sequence[int] | None = None) -> Array:
        """Do it to an array.

        Args:
            array: Of the shape before.
            shape: The shape after, if it is known; then sizes that only it tells can be found too.

        Raises:
            ValueError: It does not fit, or a size cannot be found.
        """
        if len(array.shape) != len(self.source) or (shape is not None and len(shape) != len(self.target)):
            raise ValueError(f"it is noted as of {len(self.source)} axes, and has shape {list(array.shape)}")
        known = _solve([*zip(self.source, array.shape, strict=True), *zip(self.target, shape or (), strict=False)])
        target = _numbers(self.target, known) if shape is None else list(shape)
        return array.reshape(_numbers(self.blocks, known)).transpose(self.order).reshape(target)

    def to_data(self) -> dict[str, Any]:
        """As plain data."""
        sizes = {"from": self.source, "blocks": self.blocks, "to": self.target}
        return {**{name: [_written(size) for size in part] for name, part in sizes.items()}, "order": list(self.order)}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Arrangement:
        """From plain data; raises one of ValueError, TypeError and KeyError if it is no arrangement."""
        source, blocks, target = (tuple(_read(size) for size in data[name]) for name in ("from", "blocks", "to"))
        order = tuple(int(i) for i in data["order"])
        if sorted(order) != list(range(len(blocks))):
            raise ValueError(f"{order} is no order of {len(blocks)} blocks")
        return cls(source, blocks, order, target)


@dataclass(frozen=True)
class LayerNote:
    """What a node says of the layer whose output it gives.

    Attributes:
        layer: The layer's name in reports.
        spelling: How the original wrote it.
        x: The original's name for its input.
        y: The original's name for its output.
        reads: From x to what the nodes of the layer read, one step after the other; None if it cannot be said.
        before: Number of nodes of the layer in front of its convolution (DequantizeLinear, DynamicQuantizeLinear).
        write: From the output of this node to y.
    """

    layer: str
    spelling: str
    x: str
    y: str
    reads: tuple[Arrangement, ...] | None
    before: int
    write: Arrangement

    def to_json(self) -> str:
        """The note as text."""
        reads = None if self.reads is None else [step.to_data() for step in self.reads]
        return json.dumps(
            {
                "layer": self.layer,
                "spelling": self.spelling,
                "x": self.x,
                "y": self.y,
                "reads": reads,
                "before": self.before,
                "write": self.write.to_data(),
            }
        )

    @classmethod
    def from_json(cls, text: str) -> LayerNote | None:
        """The note in a file; None if it cannot be read: a file may say anything."""
        try:
            data = json.loads(text)
            reads = None if data["reads"] is None else tuple(map(Arrangement.from_data, data["reads"]))
            layer, spelling, x, y = (str(data[key]) for key in ("layer", "spelling", "x", "y"))
            return cls(layer, spelling, x, y, reads, int(data["before"]), Arrangement.from_data(data["write"]))
        except (ValueError, TypeError, KeyError, AttributeError):
            return None

    def stored_input(self, x: Array, shape: Sequence[int]) -> Array:
        """The input as the nodes of the layer read it; raises ValueError if it does not fit.

        Args:
            x: The original's input.
            shape: What the nodes read in a run of the converted model with the same sizes.
        """
        for i, step in enumerate(self.reads or ()):
            x = step.apply(x, shape if i == len(self.reads or ()) - 1 else None)
        return x


def _written(size: Size) -> int | list[int | str]:
    return size.static if size.static is not None else [size.coefficient, *size.symbols]


def _read(data: Any) -> Size:
    if isinstance(data, list):
        coefficient, *symbols = data
        return Size(int(coefficient), tuple(sorted(map(str, symbols))))
    return Size.of(int(data))


def _solve(equations: Sequence[tuple[Size, int]]) -> dict[str, int]:
    """The symbols that stand alone in some equation, once those that are known are divided out."""
    known: dict[str, int] = {}
    for _ in range(len(equations)):
        for size, number in equations:
            unknown = [s for s in size.symbols if s not in known]
            rest = math.prod((known[s] for s in size.symbols if s in known), start=size.coefficient)
            if len(unknown) == 1 and rest and number % rest == 0:
                known[unknown[0]] = number // rest
    return known


def _numbers(sizes: Sizes, known: Mapping[str, int]) -> list[int]:
    """Each size; -1 for the one that follows from the others."""
    numbers = []
    for size in sizes:
        static, found = size.static, all(s in known for s in size.symbols)
        product = math.prod((known.get(s, 1) for s in size.symbols), start=size.coefficient)
        numbers.append(static if static is not None else product if found else -1)
    if numbers.count(-1) > 1:
        raise ValueError(f"more than one of {', '.join(map(str, sizes))} is not known")
    return numbers
