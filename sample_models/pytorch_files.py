"""Saves a network as PyTorch files of every kind that fc2conv reads; the same bytes every time."""

from __future__ import annotations

import zipfile
from pathlib import Path

import torch
from common import FOLDER
from torch import nn


def save_all(module: nn.Module, args: tuple[torch.Tensor, ...], name: str) -> None:
    """Write ``<name>.pt2``, ``.ts``, ``.pt`` and ``.pth`` beside this file.

    Args:
        module: The network, of torch.nn building blocks only, so that the ``.pt`` needs no trust.
        args: Example inputs, whose first dim is a batch.
        name: Stem of the files.
    """
    module = module.eval()
    program = torch.export.export(module, args, dynamic_shapes=tuple({0: torch.export.Dim("N")} for _ in args))
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # it names the folders of this machine
    torch.export.save(program, FOLDER / f"{name}.pt2")
    torch.jit.save(torch.jit.trace(module, args), FOLDER / f"{name}.ts")
    _drop_debug_files(FOLDER / f"{name}.ts")
    torch.save(module, FOLDER / f"{name}.pt")
    torch.save(module.state_dict(), FOLDER / f"{name}.pth")


def _drop_debug_files(path: Path) -> None:
    """Write an archive again without what names the folders of this machine, and the number made from that."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            if not name.endswith((".debug_pkl", "serialization_id")):
                archive.writestr(zipfile.ZipInfo(name), content)  # its date is always the same
