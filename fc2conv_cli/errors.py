"""Everything that fc2conv raises on purpose.

    FC2ConvError                     exit code 2: usage, or input that cannot be used
    |- UsageError                    options that contradict each other or match nothing
    |- SettingsError                 a settings file or an environment variable that cannot be used
    |- ReportFileError               a saved report that cannot be read
    |- ModelFileError                the model file cannot be used
    |  |- ModelNotFoundError         no such file, a folder, not readable
    |  |- NotOnnxError               empty, another format, a truncated protobuf
    |  |- InvalidModelError          ONNX, but not a valid graph
    |  |- ExternalDataError          weights in another file that is missing or too short
    |  |- PyTorchFileError           a PyTorch file that is damaged, or that holds no model
    |  |  |- UnsafeFileError         one that would run code of its own when it is loaded
    |  |- ExportError                PyTorch cannot run it on such inputs, or cannot write it as ONNX
    |- OutputFileError               the result cannot be written
    |  |- OutputExistsError          something is there already, or it is the input itself
    |- UnrunnableModelError          onnxruntime cannot run the original, so nothing can be verified
    |- InvalidInputsError            the inputs to compare on cannot be read, or do not fit the model
    |- NotEnoughMemoryError          memory is short, which says nothing of a model
    |- TorchMissingError             the file needs PyTorch, which is not installed

A deviation between two models, or a layer that stays, is a result (exit code 1) and never an exception. Any
other exception is a fault of fc2conv (exit code 101).
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar


class FC2ConvError(Exception):
    """Base class of all errors that fc2conv raises on purpose.

    Attributes:
        message: What is wrong, and where.
        hint: What to do about it; may be empty.
    """

    exit_code: ClassVar[int] = 2

    def __init__(self, message: str, *, hint: str = "") -> None:
        """Keep the message and the hint."""
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """The message, and the hint on a line of its own."""
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class UsageError(FC2ConvError):
    """Options that contradict each other, or that match nothing."""


class SettingsError(FC2ConvError):
    """A settings file, or an environment variable, that cannot be used."""


class ReportFileError(FC2ConvError):
    """A saved report that cannot be read."""

    def __init__(self, path: Path, problem: str, *, hint: str = "") -> None:
        """Name the file, then say what is wrong with it."""
        super().__init__(f"{path}: {problem}", hint=hint or "Give a file that --output-format json wrote.")


class ModelFileError(FC2ConvError):
    """A model file that cannot be used."""

    def __init__(self, path: Path, problem: str, *, hint: str = "") -> None:
        """Name the file, then say what is wrong with it."""
        super().__init__(f"{path}: {problem}", hint=hint)
        self.path = path


class ModelNotFoundError(ModelFileError):
    """There is no readable file at that path."""


class NotOnnxError(ModelFileError):
    """The file is not a whole ONNX model."""


class InvalidModelError(ModelFileError):
    """The file is ONNX, but its graph is not valid."""


class ExternalDataError(ModelFileError):
    """Weights that the model keeps in another file are not there."""


class PyTorchFileError(ModelFileError):
    """The file comes from PyTorch, but is damaged or holds no model."""


class UnsafeFileError(PyTorchFileError):
    """The file would run code of its own when it is loaded."""


class ExportError(ModelFileError):
    """PyTorch cannot run the model on such inputs, or cannot write it as ONNX."""


class OutputFileError(ModelFileError):
    """The result cannot be written at that path."""


class OutputExistsError(OutputFileError):
    """Something is at that path already."""


class UnrunnableModelError(ModelFileError):
    """Onnxruntime cannot run the original model, so no conversion of it can be verified."""


class InvalidInputsError(ModelFileError):
    """The inputs that the user gave cannot be read, or do not fit the model."""


class NotEnoughMemoryError(FC2ConvError):
    """Memory is short: that is no fault of a file, and no difference between two models."""

    def __init__(self, purpose: str, *, hint: str = "") -> None:
        """Say what it was needed for, ``load the original``, then what to do about it."""
        super().__init__(f"there is not enough memory to {purpose}", hint=hint or "Free some memory.")


class TorchMissingError(FC2ConvError):
    """The file needs PyTorch, which is not installed."""
