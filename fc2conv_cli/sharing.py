"""Output models that read weights from the data file of the original (``--share-weights``).

ONNX lets a model refer only to files in its own folder or below it, by relative paths; onnxruntime holds to that too.
"""

from __future__ import annotations

import os
from pathlib import Path

import onnx
import onnx_ir as ir

from fc2conv_cli.errors import OutputFileError, UsageError
from fc2conv_cli.graphs import stored_initializers
from fc2conv_cli.serializing import Locate, is_external, reference
from fc2conv_cli.tensors import initializers
from fc2conv_cli.weights import Place, Rearranged, place_of


def check_sharing(model: ir.Model, path: Path, target: Path, *, exported: bool) -> None:
    """Refuse to share weights that cannot be referred to.

    Args:
        model: The model that is converted.
        path: Its file, as the user named it.
        target: Where the output goes.
        exported: Whether the model is an export that is gone afterwards.

    Raises:
        UsageError: There is no data file that stays.
        OutputFileError: The output would be in another folder.
    """
    files = {Path(t.path) for t in _large(model) if isinstance(t, ir.ExternalTensor)}
    if exported or not files:
        where = "were exported for this conversion" if exported else "are inside the model's own file"
        raise UsageError(f"--share-weights: the weights of {path} {where}", hint="Leave it out.")
    folder = target.parent.resolve()
    for file in sorted(files):
        if not file.resolve().is_relative_to(folder):
            problem = (
                f"cannot share weights: {file} is neither in its folder nor below it, and ONNX refers to no others"
            )
            hint = f"Name an output in {file.parent} with -o, or leave --share-weights out."
            raise OutputFileError(target, problem, hint=hint)


def locator(target: Path) -> Locate:
    """Where weights are already, as the model at `target` says it."""
    folder = target.parent.resolve()

    def locate(tensor: ir.TensorProtocol) -> ir.ExternalTensor | None:
        place = _external_place(tensor)
        return None if place is None else reference(tensor, os.path.relpath(place.path.resolve(), folder), place.offset)

    return locate


def sharing_notes(model: ir.Model) -> list[str]:
    """What is to be said of the files that a model shares weights of, once it is rewritten."""
    places = (_external_place(tensor) for tensor in _large(model))
    files = dict.fromkeys(place.path for place in places if place is not None)
    if not files:
        return ["--share-weights: no weight is as it was in the original, so none is shared"]
    return [f"weights are read from {file}; keep it" for file in files]


def write_trial(model: Path, trial: Path, data: Path | None) -> None:
    """Write a copy of a model beside the files that it shares, which reads its own data from where that is for now."""
    proto = onnx.load(model, load_external_data=False)
    for tensor in stored_initializers(proto):
        for entry in tensor.external_data:
            if data is not None and entry.key == "location" and entry.value == data.name:
                entry.value = f"{data.parent.name}/{data.name}"
    trial.write_bytes(proto.SerializeToString())


def _external_place(tensor: ir.TensorProtocol) -> Place | None:
    source = tensor
    while isinstance(source, Rearranged):
        source = source.source
    return place_of(tensor) if isinstance(source, ir.ExternalTensor) else None


def _large(model: ir.Model) -> list[ir.TensorProtocol]:
    return [held.tensor for held in initializers(model) if is_external(held.tensor)]
