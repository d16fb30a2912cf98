"""PyTorch files of every kind, and files with something evil in them."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn


def mlp() -> nn.Sequential:
    """Four features in, three out; made of torch.nn building blocks only."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)).eval()


def program(path: Path, module: nn.Module | None = None, *args: torch.Tensor, dynamic: bool = True) -> Path:
    """A .pt2, with a dynamic batch by default."""
    args = args or (torch.randn(2, 4),)
    shapes = tuple({0: torch.export.Dim("N")} for _ in args) if dynamic else None
    torch.export.save(torch.export.export(module or mlp(), args, dynamic_shapes=shapes), path)
    return path


def script(path: Path, module: nn.Module | None = None, *args: torch.Tensor) -> Path:
    """A TorchScript archive: traced if inputs are given, else scripted."""
    module = module or mlp()
    torch.jit.save(torch.jit.trace(module, args) if args else torch.jit.script(module), path)
    return path


def pickled(path: Path, content: Any = None, **options: Any) -> Path:
    """A file of torch.save: the module itself by default."""
    torch.save(mlp() if content is None else content, path, **options)
    return path


def safetensors(path: Path, tensors: Mapping[str, torch.Tensor]) -> Path:
    """Written by the description of the format."""
    names = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64", torch.bool: "BOOL"}
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    data = b""
    for name, tensor in tensors.items():
        raw = bytes(tensor.contiguous().flatten().view(torch.uint8).tolist())
        offsets = [len(data), len(data) + len(raw)]
        header[name] = {"dtype": names[tensor.dtype], "shape": list(tensor.shape), "data_offsets": offsets}
        data += raw
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


class Evil:
    """Creates a file when it is unpickled."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return (open, (str(self.witness), "w"))


def evil_save(witness: Path) -> bytes:
    """What torch.save writes of it."""
    buffer = io.BytesIO()
    torch.save([Evil(witness)], buffer)
    return buffer.getvalue()


def evil_pickle(witness: Path) -> bytes:
    """A plain pickle of it, in the protocol that torch.save uses."""
    return pickle.dumps(Evil(witness), protocol=2)


def replace_members(path: Path, change: Callable[[str, bytes], bytes | None]) -> Path:
    """Write an archive again; `change` gets each name (without the top folder) and its bytes, and gives new bytes."""
    with zipfile.ZipFile(path) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members:
            new = change(name.partition("/")[2], content)
            if new is not None:
                archive.writestr(name, new)
    return path


def add_member(path: Path, name: str, content: bytes) -> Path:
    """Add a file to an archive, in its top folder."""
    with zipfile.ZipFile(path, "a", zipfile.ZIP_STORED) as archive:
        top = archive.namelist()[0].partition("/")[0]
        archive.writestr(f"{top}/{name}", content)
    return path
