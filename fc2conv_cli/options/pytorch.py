"""How to load a PyTorch file, as options."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from fc2conv_cli.frontends.loading import Loading

PANEL = "PyTorch files"


def _option(*names: str, **more: Any) -> Any:
    return typer.Option(*names, rich_help_panel=PANEL, **more)


@dataclass(frozen=True)
class PyTorch:
    """What the user says of a PyTorch file."""

    inputs: Annotated[
        list[str] | None,
        _option(
            "--input",
            metavar="NAME:SHAPE[:DTYPE]",
            help="What the model is fed: x:1x3x224x224, or x:Nx3x224x224 with a dynamic N; repeatable.",
        ),
    ] = None
    factory: Annotated[
        str | None,
        _option(
            "--model",
            metavar="MODULE:FACTORY",
            help="Class or function that makes the module of a state dict; its code runs.",
        ),
    ] = None
    import_path: Annotated[
        list[Path] | None,
        _option("--import-path", metavar="DIR", help="Folder to import its code from; repeatable."),
    ] = None
    unsafe_load: Annotated[
        bool,
        _option("--unsafe-load", help="Let the file run code while it is loaded. Only if you trust whoever made it."),
    ] = False
    opset: Annotated[int | None, _option("--opset", min=1, help="Opset to export at.")] = None

    def loading(self, *, verbose: bool, keep_export: bool = False) -> Loading:
        """The same for the library."""
        from fc2conv_cli.frontends.loading import Loading

        inputs, paths = tuple(self.inputs or ()), tuple(self.import_path or ())
        return Loading(inputs, self.factory, paths, self.unsafe_load, self.opset, keep_export, verbose)
