"""A network run by PyTorch itself, to compare its export with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import torch
from torch.utils import _pytree as pytree

from fc2conv_cli.errors import ExportError
from fc2conv_cli.frontends.pytorch.contained import contained
from fc2conv_cli.frontends.pytorch.faults import what_failed
from fc2conv_cli.frontends.pytorch.network import Network
from fc2conv_cli.frontends.pytorch.quiet import quiet
from fc2conv_cli.memory import refuse_if_out_of_memory
from fc2conv_cli.verification.runner import Port, RunError

Array = npt.NDArray[Any]


class Eager:
    """A PyTorch model with the inputs and outputs of its export; the counterpart of `Runner`."""

    overridable: tuple[Port, ...] = ()
    metadata: Mapping[str, str] = {}

    def __init__(
        self, path: Path, network: Network, inputs: tuple[Port, ...], outputs: tuple[Port, ...], *, verbose: bool
    ) -> None:
        """Match the inputs and outputs of a network with those of its export, in order.

        Args:
            path: The user's file, for messages.
            network: The network, with example inputs.
            inputs: The inputs of the export.
            outputs: The outputs of the export.
            verbose: Whether what the model prints goes to stderr.

        Raises:
            ExportError: There are more or fewer tensors than inputs or outputs.
        """
        self.inputs, self.outputs = inputs, outputs
        self._network, self._verbose = network, verbose
        leaves, self._spec = pytree.tree_flatten((network.args, network.kwargs))
        self._leaves: list[Any] = leaves
        given = sum(isinstance(leaf, torch.Tensor) for leaf in leaves)
        if given != len(inputs):
            problem = f"the model is called with {given} tensors, and its export takes {len(inputs)}"
            raise ExportError(path, problem, hint="Save the model with tensors as its only inputs.")
        try:
            given_leaves = [leaf.clone() if isinstance(leaf, torch.Tensor) else leaf for leaf in leaves]
            returned = self._call(given_leaves)
        except Exception as error:  # the model may raise anything
            problem = f"PyTorch cannot run the model on its own example inputs: {what_failed(error)}"
            raise ExportError(path, problem, hint="Save it again with inputs that it takes.") from error
        self.notes = tuple(_changed(leaves, given_leaves, inputs))
        numbers = [leaf for leaf in returned if isinstance(leaf, torch.Tensor | int | float)]
        self._wanted = torch.Tensor | int | float if len(numbers) == len(outputs) else torch.Tensor
        made = sum(isinstance(leaf, self._wanted) for leaf in returned)
        if made != len(outputs):
            problem = f"the model returns {made} tensors, and its export {len(outputs)}"
            raise ExportError(path, problem, hint="Return tensors only, each of them once.")

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Any]:
        """Run the model once.

        Returns:
            Every output by the name that it has in the export.

        Raises:
            RunError: The model does not take these inputs.
        """
        tensors = iter([_tensor(feeds[port.name]) for port in self.inputs])
        leaves = [next(tensors) if isinstance(leaf, torch.Tensor) else leaf for leaf in self._leaves]
        try:
            found = [leaf for leaf in self._call(leaves) if isinstance(leaf, self._wanted)]
            arrays = [_array(torch.as_tensor(leaf)) for leaf in found]
        except Exception as error:
            refuse_if_out_of_memory(error)
            raise RunError(f"PyTorch: {what_failed(error)}") from error
        return dict(zip((port.name for port in self.outputs), arrays, strict=True))

    def _call(self, leaves: list[Any]) -> list[Any]:
        """What it returns, out of whatever lists and dicts it is in."""
        args, kwargs = pytree.tree_unflatten(leaves, self._spec)
        with quiet(verbose=self._verbose), torch.no_grad(), contained():
            returned = self._network.module(*args, **kwargs)
        return pytree.tree_leaves(returned)


def _changed(before: list[Any], after: list[Any], inputs: tuple[Port, ...]) -> Iterator[str]:
    pairs = [(b, a) for b, a in zip(before, after, strict=True) if isinstance(b, torch.Tensor)]
    for port, (old, new) in zip(inputs, pairs, strict=True):
        if not torch.equal(torch.nan_to_num(old), torch.nan_to_num(new)):
            yield f"the model changes its input {port.name!r} in place; ONNX has no such thing, and leaves it as it is"


def _tensor(array: Array) -> torch.Tensor:
    """A copy: a model may change its inputs in place."""
    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.astype(np.float32)).to(torch.bfloat16)
    return torch.from_numpy(np.array(array))


def _array(tensor: torch.Tensor) -> Array:
    tensor = tensor.detach().cpu().resolve_conj().resolve_neg()
    if tensor.dtype is torch.bfloat16:
        return tensor.float().numpy().astype(ml_dtypes.bfloat16)
    return np.asarray(tensor.numpy())
