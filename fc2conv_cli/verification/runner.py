"""A model in onnxruntime on the CPU, graph optimisations off: the Conv that was written is the Conv that runs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import onnx

from fc2conv_cli.memory import refuse_if_out_of_memory

Array = npt.NDArray[np.generic]

_DTYPES: dict[str, str] = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(bfloat16)": "bfloat16",
    "tensor(bool)": "bool",
    **{f"tensor({sign}int{bits})": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}


class RunError(Exception):
    """Onnxruntime cannot load a model, or cannot run it on given inputs; one line says why."""


@dataclass(frozen=True)
class Port:
    """An input or output of a model.

    Attributes:
        name: Its name.
        type: Its type in onnxruntime's words, ``tensor(float)``.
        shape: An int for a static dim, a str for a symbolic one, None for an unknown one; None for an unknown rank.
    """

    name: str
    type: str
    shape: tuple[int | str | None, ...] | None

    @property
    def dtype(self) -> str | None:
        """The numpy name of the element type; None if numpy has none or it is no tensor."""
        return _DTYPES.get(self.type)


class Model(Protocol):
    """A model that is loaded and can be run, whatever runs it."""

    @property
    def inputs(self) -> tuple[Port, ...]:
        """What must be fed."""

    @property
    def overridable(self) -> tuple[Port, ...]:
        """Initializers that may be fed."""

    @property
    def outputs(self) -> tuple[Port, ...]:
        """What comes out."""

    @property
    def metadata(self) -> Mapping[str, str]:
        """What its file notes of it."""

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Any]:
        """Every output by name, an array unless it is no tensor; raises RunError if it does not take the inputs."""


class Runner:
    """A model that is loaded and can be run."""

    def __init__(self, model: Path | bytes, folder: Path | None = None) -> None:
        """Load a model.

        Args:
            model: Its file, or the bytes of one.
            folder: Where the external data of such bytes is, if they have any.

        Raises:
            RunError: Onnxruntime cannot load it.
            MemoryError: It does not fit into memory.
        """
        import onnxruntime as ort  # not needed by a conversion that is not verified

        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 4
        if folder is not None:
            options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(folder))
        source = model if isinstance(model, bytes) else str(model)
        try:
            self._session = ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises a class for each status, and plain RuntimeError
            refuse_if_out_of_memory(error)
            raise RunError(_one_line(error)) from error
        self.inputs = tuple(map(_port, self._session.get_inputs()))
        self.overridable = tuple(map(_port, self._session.get_overridable_initializers()))
        self.outputs = tuple(map(_port, self._session.get_outputs()))
        self.metadata: Mapping[str, str] = self._session.get_modelmeta().custom_metadata_map

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Any]:
        """Run the model once.

        Returns:
            Every output by name: an array, or a list or dict for outputs that are no tensors.

        Raises:
            RunError: The model does not take these inputs.
            MemoryError: What it computes does not fit.
        """
        names = [port.name for port in self.outputs]
        try:
            return dict(zip(names, self._session.run(names, dict(feeds)), strict=True))
        except Exception as error:
            refuse_if_out_of_memory(error)
            raise RunError(_one_line(error)) from error


@cache
def warm_up() -> None:
    """Let onnxruntime set up what it does once, so that the model that is loaded first does not pay for it."""
    x, y = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in "xy")
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "warm_up", [x], [y])
    opset = onnx.helper.make_opsetid("", 13)
    model = onnx.helper.make_model(graph, ir_version=8, opset_imports=[opset])
    Runner(model.SerializeToString()).run({"x": np.zeros(1, np.float32)})


def _port(arg: Any) -> Port:
    shape: Sequence[int | str | None] | None = arg.shape
    return Port(arg.name, arg.type, None if shape is None else tuple(shape))


def _one_line(error: Exception) -> str:
    """Onnxruntime's message without its status code and its own source paths."""
    text = " ".join(str(error).split())
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", text)
    return re.sub(r"\S*/onnxruntime\S*:\d+ ", "", text)
