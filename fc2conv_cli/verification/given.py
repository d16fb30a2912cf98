"""Inputs that the user gives: a file or a folder of arrays.

* ``x.npz``: arrays by input name; with one axis more than the input has, the first one counts samples.
* ``x.npy``: for a model with one input.
* a folder: every ``.npz`` and ``.npy`` in it (an ``.npy`` whose stem is the name of an input belongs to that), and
  every ``test_data_set_*`` folder of ONNX's own test data, ``input_0.pb`` and so on in the order of the inputs. The
  folder may be such a one itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fc2conv_cli.errors import InvalidInputsError, NotEnoughMemoryError
from fc2conv_cli.memory import is_out_of_memory, needing_memory
from fc2conv_cli.sizes import PLACEHOLDERS
from fc2conv_cli.verification.runner import Port

Array = npt.NDArray[np.generic]


@dataclass(frozen=True)
class GivenSample:
    """One set of inputs.

    Attributes:
        label: Where it comes from, for messages.
        feeds: The arrays by input name.
    """

    label: str
    feeds: Mapping[str, Array]


@dataclass(frozen=True)
class Ports:
    """What may be given.

    Attributes:
        needed: The model's inputs.
        defaults: Those that have a default, which holds where they are not given.
    """

    needed: Sequence[Port]
    defaults: Sequence[Port] = ()

    @property
    def named(self) -> dict[str, Port]:
        """All of them, by name."""
        return {port.name: port for port in (*self.needed, *self.defaults)}

    @property
    def words(self) -> str:
        """The names, for people."""
        more = ", ".join(port.name for port in self.defaults)
        return ", ".join(port.name for port in self.needed) + (f"; {more} may be given too" if more else "")


def given_samples(path: Path, inputs: Sequence[Port], defaults: Sequence[Port] = ()) -> list[GivenSample]:
    """All samples of a file or folder.

    Args:
        path: The file or folder.
        inputs: The model's inputs.
        defaults: Its inputs that have a default: a sample need not hold them.

    Raises:
        InvalidInputsError: It cannot be read, or does not fit the model.
    """
    ports = Ports(inputs, defaults)
    try:
        path.stat()
    except (OSError, ValueError) as error:
        hint = "--inputs takes a .npz, a .npy, or a folder of them or of test data."
        raise InvalidInputsError(path, "there is no such file or folder", hint=hint) from error
    found = list(_folder(path, ports)) if path.is_dir() else list(_file(path, ports))
    for sample in found:
        _refuse_contradictions(path, sample, ports)
    if not found:
        hint = "A folder may hold .npz and .npy files, and test_data_set_* folders."
        raise InvalidInputsError(path, "no inputs are in it", hint=hint)
    return found


def refuse_folded(path: Path, names: Collection[str], model: str) -> None:
    """Refuse values for inputs that a model goes by the defaults of: there is nothing to compare.

    Args:
        path: What gives them.
        names: Those that are given, and that the model lacks.
        model: What it is called.

    Raises:
        InvalidInputsError: There are such.
    """
    if names:
        hint = "Leave it out: with --freeze-inputs its default holds."
        raise InvalidInputsError(path, f"array {min(names)!r} is no input of {model}", hint=hint)


def _refuse_contradictions(path: Path, sample: GivenSample, ports: Ports) -> None:
    """A dim of one name has one size: models that are given two run by chance, on what happens to broadcast."""
    seen: dict[str, tuple[str, int]] = {}
    for port in (port for name, port in ports.named.items() if name in sample.feeds):
        for dim, size in zip(port.shape or (), sample.feeds[port.name].shape, strict=False):
            if not isinstance(dim, str) or dim in PLACEHOLDERS:
                continue
            where, known = seen.setdefault(dim, (port.name, size))
            if size != known:
                problem = f"{sample.label}: {dim}={known} in input {where!r}, but {dim}={size} in input {port.name!r}"
                raise InvalidInputsError(path, problem, hint=f"Both declare the dim {dim!r}: give them one size of it.")


def _folder(path: Path, ports: Ports) -> Iterator[GivenSample]:
    sets = [path] if path.name.startswith("test_data_set") else sorted(path.glob("test_data_set_*"))
    for folder in sets:
        yield from _test_data_set(folder, ports)
    for file in sorted(path.glob("*.npz")):
        yield from _file(file, ports)
    loose = sorted(path.glob("*.npy"))
    named = {file.stem: file for file in loose if file.stem in ports.named}
    if named:
        contents = {name: _read(file) for name, file in named.items()}
        yield from _samples(path, {n: a for n, a in contents.items() if isinstance(a, np.ndarray)}, ports)
    for file in loose:
        if file.stem not in named:
            yield from _file(file, ports)


def _file(path: Path, ports: Ports) -> Iterator[GivenSample]:
    content = _read(path)
    if isinstance(content, np.ndarray):
        if len(ports.needed) != 1:
            hint = f"Name the arrays in an .npz: {ports.words}."
            raise InvalidInputsError(path, f"it holds one array, the model takes {len(ports.needed)} inputs", hint=hint)
        content = {ports.needed[0].name: content}
    yield from _samples(path, content, ports)


def _read(path: Path) -> Array | dict[str, Array]:
    """The arrays of a file; nothing that is pickled, since that could run code."""
    hint = "Write it with numpy.savez(path, input_name=array), without objects in it."
    _check_kind(path, hint)
    try:
        content = np.load(path, allow_pickle=False)
        if isinstance(content, np.ndarray):
            return _native(content)
        with content:
            arrays = {name: content[name] for name in content.files}
        if (
            odd := next((name for name, array in arrays.items() if not isinstance(array, np.ndarray)), None)
        ) is not None:
            raise ValueError(f"{odd!r} in it is no array")
        return {name: _native(array) for name, array in arrays.items()}
    except Exception as error:  # numpy and zipfile raise a dozen kinds
        if is_out_of_memory(error):
            raise NotEnoughMemoryError(f"read {path}") from error
        why = " ".join(str(error).split())[:200] or type(error).__name__
        if "pickle" in why:  # numpy's own advice is to let it run code
            why = "it holds Python objects, which only code in the file could make again"
        raise InvalidInputsError(path, f"numpy cannot read it: {why}", hint=hint) from error


_STARTS = (b"PK\x03\x04", b"PK\x05\x06", b"\x93NUMPY")
"""Of .npz files (those with nothing in them too) and .npy files; anything else numpy takes for a pickle."""


def _check_kind(path: Path, hint: str) -> None:
    try:
        with needing_memory(f"read {path}"), path.open("rb") as file:
            start = file.read(max(map(len, _STARTS)))
    except OSError as error:
        raise InvalidInputsError(path, f"cannot be read ({error.strerror})", hint=hint) from error
    if not start.startswith(_STARTS):
        what = "is empty" if not start else "is neither .npz nor .npy, by its first bytes"
        raise InvalidInputsError(path, what, hint=hint)


def _native(array: Array) -> Array:
    """In the byte order of this machine, which is the only one that a model takes."""
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _test_data_set(folder: Path, ports: Ports) -> Iterator[GivenSample]:
    import onnx
    from onnx import numpy_helper

    files = sorted(folder.glob("input_*.pb"), key=lambda file: (len(file.stem), file.stem))
    arrays: dict[str, Array] = {}
    for name, file in zip(ports.named, files, strict=False):
        tensor = onnx.TensorProto()
        try:
            tensor.ParseFromString(file.read_bytes())
            array = numpy_helper.to_array(tensor)
        except Exception as error:  # protobuf and numpy raise a dozen kinds
            hint = "Inputs that are sequences or maps cannot be given."
            raise InvalidInputsError(file, "it holds no tensor", hint=hint) from error
        arrays[tensor.name if tensor.name in ports.named else name] = array
    yield from _samples(folder, arrays, ports)


def _samples(path: Path, arrays: Mapping[str, Array], ports: Ports) -> Iterator[GivenSample]:
    if missing := [port.name for port in ports.needed if port.name not in arrays]:
        hint = f"The model takes {ports.words}; the file has {', '.join(arrays) or 'nothing'}."
        raise InvalidInputsError(path, f"no array for input {missing[0]!r}", hint=hint)
    if extra := [name for name in arrays if name not in ports.named]:
        hint = f"The model takes {ports.words}."
        raise InvalidInputsError(path, f"array {extra[0]!r} is no input of the model", hint=hint)
    more = {name: _has_sample_axis(path, array, ports.named[name]) for name, array in arrays.items()}
    counts = {len(arrays[name]) for name, stacked in more.items() if stacked}
    if not counts:
        yield GivenSample(path.name, dict(arrays))
        return
    if len(counts) > 1:
        raise InvalidInputsError(path, f"the arrays have {sorted(counts)} samples", hint="Give as many of each.")
    for k in range(counts.pop()):
        feeds = {name: arrays[name][k] if stacked else arrays[name] for name, stacked in more.items()}
        yield GivenSample(f"{path.name}[{k}]", {name: np.asarray(array) for name, array in feeds.items()})


def _has_sample_axis(path: Path, array: Array, port: Port) -> bool:
    """Whether an array has one axis more than the input, or just as many; its type and static dims must fit."""
    if port.dtype is not None and array.dtype != np.dtype(port.dtype):
        hint = f"Write it with .astype({port.dtype!r})."
        raise InvalidInputsError(path, f"array {port.name!r} is {array.dtype}, the input {port.dtype}", hint=hint)
    if port.shape is None or _fits(array.shape, port.shape):
        return False
    if array.ndim == len(port.shape) + 1 and _fits(array.shape[1:], port.shape):
        return True
    wanted = "[" + ", ".join("?" if dim is None else str(dim) for dim in port.shape) + "]"
    hint = "One axis more, in front, may count samples."
    raise InvalidInputsError(path, f"array {port.name!r} has shape {list(array.shape)}, the input {wanted}", hint=hint)


def _fits(shape: Sequence[int], wanted: Sequence[int | str | None]) -> bool:
    pairs = zip(shape, wanted, strict=False)
    return len(shape) == len(wanted) and all(a == b for a, b in pairs if isinstance(b, int))
