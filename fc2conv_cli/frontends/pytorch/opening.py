"""From a PyTorch file or a live module to an ONNX file and a model to compare it with."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.export import ExportedProgram

from fc2conv_cli.errors import ExportError, PyTorchFileError, UsageError
from fc2conv_cli.frontends.input_specs import parse
from fc2conv_cli.frontends.kinds import Kind
from fc2conv_cli.frontends.loading import Loading
from fc2conv_cli.frontends.pytorch import factory, state_dicts
from fc2conv_cli.frontends.pytorch.concerns import concerns
from fc2conv_cli.frontends.pytorch.contained import LeftError, contained
from fc2conv_cli.frontends.pytorch.eager import Eager
from fc2conv_cli.frontends.pytorch.examples import run_once, with_examples
from fc2conv_cli.frontends.pytorch.export import export
from fc2conv_cli.frontends.pytorch.network import Network
from fc2conv_cli.frontends.pytorch.pickles import load_pickle
from fc2conv_cli.frontends.pytorch.programs import load_program, network_of
from fc2conv_cli.frontends.pytorch.quiet import quiet
from fc2conv_cli.frontends.pytorch.safetensors import load_safetensors
from fc2conv_cli.frontends.pytorch.structure import check_names, check_structure
from fc2conv_cli.frontends.pytorch.torchscript import load_torchscript
from fc2conv_cli.timing import Stopwatch
from fc2conv_cli.verification.runner import Model, RunError, Runner

_CACHES = "TORCHINDUCTOR_CACHE_DIR"


@dataclass(frozen=True)
class Opened:
    """A PyTorch model that was exported.

    Attributes:
        onnx: The exported file.
        eager: The model in PyTorch; None if onnxruntime cannot load its export, so that there is nothing to compare.
        notes: What is to be said of it.
    """

    onnx: Path
    eager: Eager | None
    notes: tuple[str, ...]


@contextlib.contextmanager
def opened(
    path: Path, source: Kind | nn.Module | ExportedProgram, loading: Loading, target: Path, watch: Stopwatch
) -> Iterator[Opened]:
    """Load a model and export it. A live module is in evaluation mode as long as this lasts.

    Args:
        path: The user's file, or what stands for a live module in messages.
        source: The kind of the file, or the live module.
        loading: What the user says of it.
        target: Where to write the ONNX file.
        watch: Where to note how long it takes.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(factory.importing_from(loading.import_paths))
        with quiet(verbose=loading.verbose) as said:
            stack.enter_context(_caches_in(target.parent))
            network = stack.enter_context(_exported(path, source, loading, target, watch))
        eager = _eager(path, network, target, loading)
        yield Opened(target, eager, (*network.notes, *(eager.notes if eager is not None else ()), *concerns(said)))


@contextlib.contextmanager
def _exported(
    path: Path, source: Kind | nn.Module | ExportedProgram, loading: Loading, target: Path, watch: Stopwatch
) -> Iterator[Network]:
    """Load and export a model; it is in evaluation mode as long as this lasts."""
    with contextlib.ExitStack() as stack:
        try:
            with contained():
                with watch("load"):
                    network = _load(path, source, loading)
                if network.program is None:
                    check_structure(path, network.module)
                    stack.enter_context(_evaluating(network.module))
                    network = _with_inputs(path, network, loading)
                with watch("export"):
                    export(path, network, target, loading.opset)
        except LeftError as error:
            raise ExportError(path, f"the code of the model failed: {error}", hint="Run it in Python first.") from error
        yield network


@contextlib.contextmanager
def _caches_in(folder: Path) -> Iterator[None]:
    """PyTorch keeps compiled code in a folder that it makes: here it is one that is gone afterwards."""
    before = os.environ.get(_CACHES)
    os.environ.setdefault(_CACHES, str(folder / "caches"))
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(_CACHES, None)


def _load(path: Path, source: Kind | nn.Module | ExportedProgram, loading: Loading) -> Network:
    if isinstance(source, ExportedProgram):
        return network_of(source)
    if isinstance(source, nn.Module):
        return Network(source)
    if source is Kind.PROGRAM:
        return load_program(path, unsafe=loading.unsafe)
    if source is Kind.TORCHSCRIPT:
        return Network(load_torchscript(path, unsafe=loading.unsafe))
    if source is Kind.SAFETENSORS:
        return _filled(path, load_safetensors(path), loading)
    return _from_pickle(path, loading)


def _from_pickle(path: Path, loading: Loading) -> Network:
    """A whole module, or a state dict for the module that the user named."""
    content, notes = state_dicts.unwrap(load_pickle(path, unsafe=loading.unsafe))
    if isinstance(content, nn.Module) and loading.model is None:
        check_structure(path, content)
        if not loading.unsafe:
            check_names(path, content)
        if loading.import_paths and not loading.unsafe:
            hint = "Leave it out: the module is made of torch.nn building blocks."
            raise UsageError(f"--import-path: no use for {path}, which needs no code", hint=hint)
        return Network(content, notes=notes)
    if isinstance(content, nn.Module):
        hint = "Leave it out, or save the state dict."
        raise UsageError(f"--model: no use for {path}, which holds a whole module", hint=hint)
    if not state_dicts.is_state_dict(content):
        hint = "Save the model with torch.export.save, or its state dict: torch.save(model.state_dict(), 'model.pth')."
        raise PyTorchFileError(path, f"it holds {_what(content)}, and no model", hint=hint)
    return _filled(path, content, loading, notes)


def _filled(path: Path, weights: Any, loading: Loading, notes: tuple[str, ...] = ()) -> Network:
    if loading.model is None:
        hint = (
            "Give --model package.module:factory, a class or a function that returns the module (its code runs), and "
            "--import-path with the folder that its code is in."
        )
        raise UsageError(f"{path}: it holds weights only, and not the model that they belong to", hint=hint)
    module = factory.make(loading.model)
    return Network(module, notes=(*notes, *state_dicts.fill(path, module, weights)))


def _what(content: object) -> str:
    if isinstance(content, torch.Tensor):
        return f"a tensor of shape {list(content.shape)}"
    if isinstance(content, list | tuple):
        kinds = sorted({"tensors" if isinstance(item, torch.Tensor) else type(item).__name__ for item in content})
        return f"a {type(content).__name__} of {len(content)} ({', '.join(kinds) or 'empty'})"
    if isinstance(content, Mapping):
        return f"a dict with the keys {', '.join(map(repr, list(content)[:6])) or '(none)'}"
    return f"a {type(content).__name__}"


def _with_inputs(path: Path, network: Network, loading: Loading) -> Network:
    if loading.example_inputs is None:
        return with_examples(path, network, parse(loading.inputs))
    given = loading.example_inputs
    named = isinstance(given, Mapping)
    args = () if named else tuple(given) if isinstance(given, tuple | list) else (given,)
    kwargs = dict(given) if named else {}
    run_once(path, network.module, args, kwargs)
    return replace(network, args=args, kwargs=kwargs, dynamic_shapes=loading.dynamic_shapes)


@contextlib.contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """Dropout off and BatchNorm fixed, and every part as it was afterwards."""
    if isinstance(module, torch.jit.ScriptModule):
        yield
        return
    before = [(part, part.training) for part in module.modules()]
    with contextlib.suppress(NotImplementedError):  # the module of a program: its mode was fixed when it was exported
        module.eval()
    try:
        yield
    finally:
        for part, training in before:
            part.training = training


def _eager(path: Path, network: Network, target: Path, loading: Loading) -> Eager | None:
    """With the inputs and outputs that onnxruntime sees, or where it has no kernels the reference evaluator."""
    try:
        runner: Model = Runner(target)
    except RunError:
        from fc2conv_cli.verification.reference import ReferenceRunner  # rarely needed, and slow to import

        try:
            runner = ReferenceRunner(target)
        except RunError:  # the comparison of the ONNX files will say so
            return None
    return Eager(path, network, runner.inputs, runner.outputs, verbose=loading.verbose)
