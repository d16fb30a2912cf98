"""Writes a network as ONNX, by the one of PyTorch's two exporters that can take it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import onnx_ir as ir
import torch
from onnx_ir.passes.common import ClearMetadataAndDocStringPass
from torch.export import ExportedProgram

from fc2conv_cli.errors import ExportError, UsageError
from fc2conv_cli.frontends.pytorch.contained import contained
from fc2conv_cli.frontends.pytorch.faults import in_library, place_of, unsupported_operator, what_failed
from fc2conv_cli.frontends.pytorch.network import Network

_LAST_OF_TORCHSCRIPT = 20
"""The newest opset of the exporter for TorchScript, which PyTorch does not extend any more."""
_OPSETS = (7, 26)
"""What onnxruntime reads."""


def export(path: Path, network: Network, target: Path, opset: int | None) -> None:
    """Write a network as an ONNX file.

    Args:
        path: The user's file, for messages.
        network: The network, with example inputs.
        target: The file to write; a large one gets a file of weights beside it.
        opset: The opset to write; None for the exporter's own.

    Raises:
        UsageError: The exporter cannot write that opset.
        ExportError: PyTorch cannot export the network.
    """
    if opset is not None and not _OPSETS[0] <= opset <= _OPSETS[1]:
        raise UsageError(f"--opset {opset}: onnxruntime reads {_OPSETS[0]} to {_OPSETS[1]}", hint="Leave it out.")
    if isinstance(network.module, torch.jit.ScriptModule):
        _export_torchscript(path, network, target, opset)
    else:
        _export_program(path, _program(path, network), network, target, opset)
    written = next(
        entry.version for entry in onnx.load(target, load_external_data=False).opset_import if not entry.domain
    )
    if opset not in (None, written):
        hint = f"It is at opset {written} without --opset. Give a later one, or leave it out."
        raise ExportError(path, f"PyTorch cannot write this model at opset {opset}", hint=hint)


def _program(path: Path, network: Network) -> ExportedProgram:
    if network.program is not None:
        return network.program
    try:
        with contained():
            return torch.export.export(
                network.module, network.args, network.kwargs, dynamic_shapes=network.dynamic_shapes, strict=False
            )
    except Exception as error:  # torch raises whatever the model leads it to
        problem = f"torch.export cannot follow the model: {what_failed(error)}"
        raise ExportError(path, problem, hint=_advice(str(error))) from error


def _advice(said: str) -> str:
    if "onstraints violated" in said or "specialized" in said:
        return "The model works with one size only where a dim was given a letter: give a number there instead."
    if "data-dependent" in said or "Could not guard" in said or "GuardOnDataDependent" in said:
        return (
            "The model takes a branch that depends on the values of its inputs. Write it with torch.where or "
            "torch.cond, or save the model with torch.jit.script."
        )
    return (
        "Try torch.export.export(model, args) in Python to see more (or -v), or save the model with torch.jit.trace or "
        "torch.jit.script."
    )


def _export_program(path: Path, program: ExportedProgram, network: Network, target: Path, opset: int | None) -> None:
    options: dict[str, Any] = {} if opset is None else {"opset_version": opset}
    if network.input_names is not None:
        options["input_names"] = list(network.input_names)
    if network.dynamic_shapes is not None:
        options["dynamic_shapes"] = network.dynamic_shapes
    try:
        with contained():
            written = torch.onnx.export(program, dynamo=True, verbose=False, **options)
        assert written is not None
        model: ir.Model = written.model
        ClearMetadataAndDocStringPass()(model)  # the exporter notes the folders of this machine
        written.save(str(target))
    except Exception as error:  # torch raises whatever the model leads it to
        raise _not_exported(path, error, program, "try a later --opset, ") from error


def _export_torchscript(path: Path, network: Network, target: Path, opset: int | None) -> None:
    assert isinstance(network.module, torch.jit.ScriptModule)
    if opset is not None and opset > _LAST_OF_TORCHSCRIPT:
        problem = f"--opset {opset}: PyTorch writes TorchScript up to opset {_LAST_OF_TORCHSCRIPT}"
        raise UsageError(problem, hint="Leave it out, or save the model with torch.export.save.")
    names = network.input_names or tuple(f"input_{i}" for i in range(len(network.args)))
    axes = {name: dims for name, dims in zip(names, network.dims, strict=False) if dims}
    options: dict[str, Any] = {} if opset is None else {"opset_version": opset}
    try:
        with contained():
            torch.onnx.export(
                _as_exporter_takes_it(network.module, network.args),
                network.args,
                str(target),
                dynamo=False,
                input_names=list(names),
                dynamic_axes=axes or None,
                **options,
            )
        model = ir.load(target)
        ClearMetadataAndDocStringPass()(model)
        ir.save(model, target)
    except Exception as error:  # torch raises whatever the model leads it to
        last = "" if opset == _LAST_OF_TORCHSCRIPT else f"try --opset {_LAST_OF_TORCHSCRIPT}, "
        raise _not_exported(path, error, network.module, last) from error


class _Call(torch.nn.Module):
    """Calls a module with the arguments that it is given, leaves the others to their defaults, and returns no dict."""

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *args: torch.Tensor) -> Any:
        returned = self.module(*args)
        return tuple(returned.values()) if isinstance(returned, dict) else returned


def _as_exporter_takes_it(module: torch.jit.ScriptModule, args: tuple[Any, ...]) -> torch.jit.ScriptModule:
    """The module itself, or a trace of a call: the exporter wants all arguments, takes no None, and knows no dict."""
    forward: Any = module.forward
    gives_dict = str(forward.schema.returns[0].type).startswith("Dict")
    if len(forward.schema.arguments) == len(args) + 1 and not gives_dict:
        return module
    return torch.jit.trace(_Call(module), args, check_trace=False)  # type: ignore[no-any-return, no-untyped-call]


def _not_exported(
    path: Path, error: Exception, model: ExportedProgram | torch.jit.ScriptModule, later: str
) -> ExportError:
    """What to say of an operator or anything else that the exporter cannot write; `later` advises another opset."""
    operator = unsupported_operator(error)
    if operator is not None:
        place = place_of(operator, model)
        problem = f"PyTorch cannot write the operator {operator} as ONNX" + (f" (at {place})" if place else "")
        hint = f"Replace that operation in the model, {later}or export the parts before and after it."
        if place is not None and in_library(place):
            hint = (
                "It is in the code of a library and not of the model: save the model with torch.export.save, or with "
                "torch.jit.trace instead of torch.jit.script."
            )
        return ExportError(path, problem, hint=hint)
    hint = f"{later}or torch.onnx.export in Python, to see more (or -v)."
    hint = hint.removeprefix("or ")
    hint = hint[0].upper() + hint[1:]
    return ExportError(path, f"PyTorch cannot write the model as ONNX: {what_failed(error)}", hint=hint)
