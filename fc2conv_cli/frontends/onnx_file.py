"""Loads an ONNX file; every way in which it can be unusable has a message of its own."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import onnx
import onnx_ir as ir
from google.protobuf.message import DecodeError

from fc2conv_cli.errors import (
    ExternalDataError,
    InvalidModelError,
    ModelNotFoundError,
    NotEnoughMemoryError,
    NotOnnxError,
)
from fc2conv_cli.frontends.large_file import Parsed, parse, refer
from fc2conv_cli.graphs import attribute_tensors, nested_graphs
from fc2conv_cli.memory import needing_memory
from fc2conv_cli.tensors import InAttribute, held_tensors, remember_names
from fc2conv_cli.weights import InFile, place_of

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
    proto, weights = _read(path)
    model = _model(proto, path)
    if not refer(model, weights):  # of a damaged file, of which the ordinary way has more to say
        model = _model(onnx.load(path, format="protobuf", load_external_data=False), path)
    held = held_tensors(model)
    tensors = [one.tensor for one in held]
    _tell_metadata_once(tensors)
    _check_lengths(tensors, path)
    _check_external_data(tensors, path)
    in_attributes = [one for one in held if isinstance(one, InAttribute)]
    _embed(in_attributes)
    remember_names(in_attributes)
    return model


def _model(proto: onnx.ModelProto, path: Path) -> ir.Model:
    if not proto.graph.node and not proto.graph.output and not proto.graph.input:
        raise NotOnnxError(
            path,
            "this is neither an ONNX model (it holds no graph) nor a PyTorch file",
            hint="Check that it is the right file.",
        )
    if proto.ir_version == 0:
        raise InvalidModelError(path, "the model does not say its IR version", hint="Export the model again.")
    _refuse_what_cannot_be_kept(proto, path)
    _unify_default_domain(proto, path)
    try:
        with needing_memory(f"read {path}"):
            model = ir.serde.deserialize_model(proto)
    except NotEnoughMemoryError:
        raise
    except Exception as error:
        raise InvalidModelError(
            path, f"the graph is not valid: {_innermost(error)}", hint="Check it with onnx.checker."
        ) from error
    for graph in (model.graph, *(function.graph for function in model.functions.values())):
        ir.external_data.set_base_dir(graph, path.parent.absolute())
    return model


def _tell_metadata_once(tensors: Iterable[ir.TensorProtocol]) -> None:
    """onnx_ir keeps the metadata of a tensor twice, as it was read and as its own, and would write both."""
    for tensor in tensors:
        if isinstance(tensor, ir.serde.TensorProtoTensor):
            tensor.raw.ClearField("metadata_props")


def _refuse_what_cannot_be_kept(proto: onnx.ModelProto, path: Path) -> None:
    """Parts of a file that are damaged, or that onnx_ir does not carry and that must not be dropped silently."""
    if proto.training_info:
        problem = "it holds training information, which would be lost"
        raise InvalidModelError(path, problem, hint="Export it for inference.")
    bodies = (proto.graph.node, *(function.node for function in proto.functions))
    for graph in (proto.graph, *(inner for nodes in bodies for inner in nested_graphs(nodes))):
        if graph.sparse_initializer:
            problem = "it holds sparse weights, which are not supported"
            raise InvalidModelError(path, problem, hint="Export them as dense ones.")
        _check_references(graph.initializer, path)
    for nodes in (*bodies, *(inner.node for outer in bodies for inner in nested_graphs(outer))):
        for node in nodes:
            _check_node(node, path)


def _check_node(node: onnx.NodeProto, path: Path) -> None:
    if any(attribute.HasField("sparse_tensor") for attribute in node.attribute):
        problem = f"node {node.name!r} holds a sparse constant, which is not supported"
        raise InvalidModelError(path, problem, hint="Export it as a dense one.")
    if any(isinstance(name, bytes) for name in (node.name, *node.input, *node.output)):
        raise InvalidModelError(path, "a name in it is not UTF-8: the file is damaged", hint="Export it again.")
    _check_references([tensor for attribute in node.attribute for tensor in attribute_tensors(attribute)], path)
    for attribute in node.attribute if node.op_type in ("Cast", "CastLike") else ():
        if attribute.name == "to" and not attribute.ref_attr_name and attribute.type != onnx.AttributeProto.INT:
            problem = f"the attribute 'to' of node {node.name or node.output[0]!r} ({node.op_type}) is no integer"
            raise InvalidModelError(path, problem, hint="Check it with onnx.checker.")


def _check_references(tensors: Iterable[onnx.TensorProto], path: Path) -> None:
    for tensor in tensors:
        for entry in tensor.external_data:
            if entry.key in ("offset", "length") and not entry.value.isdecimal():
                problem = f"weight {tensor.name!r} has the {entry.key} {entry.value!r} in its external file"
                raise ExternalDataError(path, problem, hint="Export the model again.")


def _unify_default_domain(proto: onnx.ModelProto, path: Path) -> None:
    """``ai.onnx`` is the default domain's other name; what follows knows it by the empty one only."""
    for imports in (proto.opset_import, *(function.opset_import for function in proto.functions)):
        versions = {entry.version for entry in imports if entry.domain in ("", "ai.onnx")}
        if len(versions) > 1:
            problem = f"it imports the default operators in two versions, {sorted(versions)}"
            raise InvalidModelError(path, problem, hint="Export the model again.")
        for entry in imports:
            if entry.domain == "ai.onnx":
                entry.domain = ""


def _embed(in_attributes: Iterable[InAttribute]) -> None:
    """Let tensors of attributes that are in external files be written as data: a data file holds initializers only."""
    for held in in_attributes:
        if isinstance(held.tensor, ir.ExternalTensor) and (place := place_of(held.tensor)) is not None:
            held.put(InFile(place, held.tensor.dtype, held.tensor.shape.numpy(), held.tensor))


def _read(path: Path) -> Parsed:
    try:
        str(path).encode()  # onnx and onnxruntime take no other names
        if path.is_dir():
            raise ModelNotFoundError(path, "this is a folder", hint="Name the .onnx file in it.")
        if path.exists() and not path.is_file():
            raise ModelNotFoundError(path, "this is a device or a pipe", hint="Name a file.")
        with needing_memory(f"read {path}"), path.open("rb") as file:
            head = file.read(32)
        if not head:
            raise NotOnnxError(path, "the file is empty", hint="Export or copy the model again.")
        for magic, problem, hint in _OTHER_FORMATS:
            if head.startswith(magic):
                raise NotOnnxError(path, problem, hint=hint)
        with needing_memory(f"read {path}"):
            return parse(path)
    except UnicodeEncodeError as error:
        name = Path(str(path).encode(errors="backslashreplace").decode())
        raise ModelNotFoundError(name, "the file name is not UTF-8", hint="Rename the file.") from error
    except FileNotFoundError as error:
        raise ModelNotFoundError(path, "no such file", hint="Check the path.") from error
    except OSError as error:
        hint = "Check the path and its permissions."
        raise ModelNotFoundError(path, f"cannot be read ({error.strerror})", hint=hint) from error
    except DecodeError as error:
        raise NotOnnxError(
            path,
            "this is neither an ONNX model nor a PyTorch file, or it is truncated (the protobuf cannot be parsed)",
            hint="Export or copy the model again; compare the file sizes if it was copied.",
        ) from error


def _innermost(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split()) or type(error).__name__


def _check_lengths(tensors: Iterable[ir.TensorProtocol], path: Path) -> None:
    """Weights in the file that are longer or shorter than their shape; onnx.checker finds only the shorter ones."""
    for tensor in tensors:
        if not isinstance(tensor, ir.serde.TensorProtoTensor) or not tensor.raw.HasField("raw_data"):
            continue
        found = len(tensor.raw.raw_data)
        if tensor.dtype != ir.DataType.UNDEFINED and found != tensor.nbytes:
            problem = f"weight {tensor.name!r} has {found} bytes, and its type and shape take {tensor.nbytes}"
            raise InvalidModelError(path, problem, hint="Export the model again.")


def _check_external_data(tensors: Iterable[ir.TensorProtocol], path: Path) -> None:
    for tensor in (tensor for tensor in tensors if isinstance(tensor, ir.ExternalTensor)):
        where = Path(tensor.path)
        hint = f"Put the file {str(tensor.location)!r} beside the model; it belongs to it."
        try:
            size = where.stat().st_size
        except OSError as error:
            problem = f"weight {tensor.name!r} is in {where}, which cannot be read ({error.strerror})"
            raise ExternalDataError(path, problem, hint=hint) from error
        if tensor.length not in (None, 0, tensor.nbytes):
            problem = f"weight {tensor.name!r} has {tensor.nbytes} bytes, and its entry says {tensor.length}"
            raise ExternalDataError(path, problem, hint="Export the model again.")
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
