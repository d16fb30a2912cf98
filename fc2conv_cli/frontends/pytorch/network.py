"""A PyTorch model that has been loaded, and all that is needed to run and to export it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import nn
from torch.export import ExportedProgram


@dataclass(frozen=True)
class Network:
    """A model with inputs that it takes.

    Attributes:
        module: What runs: the user's module, a TorchScript module, or the module of an exported program.
        args: Positional example inputs.
        kwargs: Named example inputs.
        input_names: What the inputs are to be called in ONNX; None for the exporter's names.
        dims: For every tensor among the example inputs: its dynamic axes, by the names of their dims.
        dynamic_shapes: What of the inputs is dynamic, as `torch.export.export` takes it; None for nothing.
        program: The program, if the model was exported already.
        notes: What is to be said of how it was loaded.
    """

    module: nn.Module
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    input_names: tuple[str, ...] | None = None
    dims: tuple[dict[int, str], ...] = ()
    dynamic_shapes: Any = None
    program: ExportedProgram | None = None
    notes: tuple[str, ...] = ()
