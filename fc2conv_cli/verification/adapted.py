"""A converted model behind the interface of its original, when it was converted with ``--io-layout nchw``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fc2conv_cli.io_layout import Array, IoLayout, move, moved_dims, recorded
from fc2conv_cli.verification.interface import agree
from fc2conv_cli.verification.runner import Model, Port, RunError


def adapted(converted: Model, original: Model) -> tuple[Model, tuple[str, ...]]:
    """The converted model as its original is called, and what is to be said of that; itself if nothing is noted in it.

    Args:
        converted: The model to judge.
        original: The model to compare with.
    """
    noted = recorded(converted.metadata).since(recorded(original.metadata))
    inputs, outputs = ({port.name for port in ports} for ports in (converted.inputs, converted.outputs))
    layout = IoLayout(
        {name: moves for name, moves in noted.inputs.items() if name in inputs},
        {name: moves for name, moves in noted.outputs.items() if name in outputs},
    )
    if not layout.inputs and not layout.outputs:
        return converted, ()
    named = ", ".join(map(repr, (*layout.inputs, *layout.outputs)))
    note = f"{named}: stored in 4-D by the converted model (--io-layout nchw), and compared in the original's layout"
    return _Adapted(converted, original, layout), (note,)


class _Adapted:
    """Does outside of a model the layout nodes that it notes."""

    def __init__(self, model: Model, original: Model, layout: IoLayout) -> None:
        known = {port.name: port for port in (*original.inputs, *original.overridable)}
        self._model, self._layout = model, layout
        self.metadata = model.metadata
        self.inputs = tuple(self._seen(port, known.get(port.name)) for port in model.inputs)
        self.overridable, self.outputs = model.overridable, model.outputs

    def _seen(self, port: Port, original: Port | None) -> Port:
        """An input as the original's caller sees it, if what the model says of it comes of that."""
        moves = self._layout.inputs.get(port.name)
        if moves is None or original is None or port.shape is None or original.shape is None:
            return port
        try:
            dims = moved_dims(original.shape, moves)
        except ValueError:
            return port
        return replace(port, shape=original.shape) if agree(dims, port.shape) else port

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Any]:
        """Run the model once, from the original's inputs to the original's outputs."""
        try:
            stored = {name: move(array, self._layout.inputs.get(name, ())) for name, array in feeds.items()}
            outputs = self._model.run(stored)
            return {name: move(value, self._layout.outputs.get(name, ())) for name, value in outputs.items()}
        except ValueError as error:
            raise RunError(f"what it notes of its interface does not fit: {error}") from error
