"""Loads an ONNX file; every way in which it can be unusable has a message of its own."""

from __future__ import annotations

import os
from pathlib import Path

import onnx
import onnx_ir as ir
from google.protobuf.message import DecodeError

from fc2conv_cli.errors import ExternalDataError, InvalidModelError, ModelNotFoundError, NotOnnxError

_OTHER_FORMATS = (
    (
        b"PK\x03\x04",
        "this is a zip archive, perhaps a PyTorch file",
        "Export it first: torch.onnx.export(model, args, 'model.onnx').",
    ),
    (
        b"\x80",
        "this is a Python pickle, perhaps a PyTorch file",
        "Export it first: torch.onnx.export(model, args, 'model.onnx').",
    ),
    (b"\x89HDF", "this is an HDF5 file, perhaps a Keras model", "Export it first, for example with tf2onnx."),
    (b"ORTM", "this is an ORT-format model", "Use the .onnx file that it was made from."),
    (b"version https://git-lfs", "this is a Git LFS pointer, not the model itself", "Run `git lfs pull`."),
)


def load(path: Path) -> ir.Model:
    """Load an ONNX model; weights in external files are memory-mapped when they are needed.

    Raises:
        ModelNotFoundError: No such file, a folder, or not readable.
        NotOnnxError: Empty, another format, or a truncated protobuf.
        InvalidModelError: ONNX, but not a graph that can be read.
        ExternalDataError: A file with weights is missing or too short.
    """
    proto = _read(path)
    if not proto.graph.node and not proto.graph.output and not proto.graph.input:
        raise NotOnnxError(
            path, "this is not an ONNX model (it holds no graph)", hint="Check that it is the right file."
        )
    if proto.ir_version == 0:
        raise InvalidModelError(path, "the model does not say its IR version", hint="Export the model again.")
    try:
        model = ir.serde.deserialize_model(proto)
    except Exception as error:
        raise InvalidModelError(
            path, f"the graph is not valid: {_innermost(error)}", hint="Check it with onnx.checker."
        ) from error
    ir.external_data.set_base_dir(model.graph, path.parent.absolute())
    _check_external_data(model, path)
    return model


def _read(path: Path) -> onnx.ModelProto:
    try:
        if path.is_dir():
            raise ModelNotFoundError(path, "this is a folder", hint="Name the .onnx file in it.")
        with path.open("rb") as file:
            head = file.read(32)
        if not head:
            raise NotOnnxError(path, "the file is empty", hint="Export or copy the model again.")
        for magic, problem, hint in _OTHER_FORMATS:
            if head.startswith(magic):
                raise NotOnnxError(path, problem, hint=hint)
        return onnx.load(path, format="protobuf", load_external_data=False)
    except FileNotFoundError as error:
        raise ModelNotFoundError(path, "no such file", hint="Check the path.") from error
    except OSError as error:
        raise ModelNotFoundError(path, f"cannot be read ({error.strerror})", hint="Check its permissions.") from error
    except DecodeError as error:
        raise NotOnnxError(
            path,
            "this is not an ONNX model, or it is truncated (the protobuf cannot be parsed)",
            hint="Export or copy the model again; compare the file sizes if it was copied.",
        ) from error


def _innermost(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split()) or type(error).__name__


def _check_external_data(model: ir.Model, path: Path) -> None:
    for tensor in _external_tensors(model):
        where = Path(tensor.path)
        hint = f"Put the file {str(tensor.location)!r} beside the model; it belongs to it."
        try:
            size = where.stat().st_size
        except OSError as error:
            problem = f"weight {tensor.name!r} is in {where}, which cannot be read ({error.strerror})"
            raise ExternalDataError(path, problem, hint=hint) from error
        end = (tensor.offset or 0) + (tensor.length or tensor.nbytes)
        if end > size:
            problem = f"weight {tensor.name!r} ends at byte {end} of {where}, which has {size}"
            raise ExternalDataError(
                path, problem, hint="Copy the data file again; it is truncated or of another model."
            )
        _check_containment(tensor, path)


def _check_containment(tensor: ir.ExternalTensor, path: Path) -> None:
    """A location outside the model's folder is refused by onnx, onnxruntime and onnx_ir alike."""
    folder, where = os.path.realpath(path.parent), os.path.realpath(tensor.path)
    if os.path.commonpath([folder, where]) != folder:
        raise ExternalDataError(
            path,
            f"weight {tensor.name!r} is in {where}, outside the model's own folder",
            hint="Copy the data file into the model's folder (a link does not do).",
        )


def _external_tensors(model: ir.Model) -> list[ir.ExternalTensor]:
    values = [v for graph in model.graphs() for v in graph.initializers.values()]
    return [v.const_value for v in values if isinstance(v.const_value, ir.ExternalTensor)]
