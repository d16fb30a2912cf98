"""What the user says of a PyTorch file, and which kinds of files can use it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fc2conv_cli.errors import UsageError
from fc2conv_cli.frontends.kinds import Kind

_WITHOUT_INPUTS = {Kind.PROGRAM}
_WITHOUT_UNSAFE = {Kind.ONNX, Kind.SAFETENSORS}
_WITH_MODEL = {Kind.PICKLE, Kind.SAFETENSORS}

_WHY = {
    Kind.ONNX: "An ONNX model says all of that itself.",
    Kind.PROGRAM: "A torch.export program holds its network and says what it takes.",
    Kind.TORCHSCRIPT: "A TorchScript archive holds its network.",
    Kind.PICKLE: "",
    Kind.SAFETENSORS: "A safetensors file holds weights only, and nothing in it can run.",
}


@dataclass(frozen=True)
class Loading:
    """How to load a PyTorch model.

    Attributes:
        inputs: What the model is fed, as ``NAME:SHAPE[:DTYPE]``.
        model: ``package.module:factory``, which makes the module that a state dict belongs to.
        import_paths: Folders to import the user's code from.
        unsafe: Whether the file may run code of its own while it is loaded.
        opset: The opset to export at; None for the exporter's own.
        keep_export: Whether to keep the exported ONNX model, as ``<stem>.export.onnx``.
        verbose: Whether what PyTorch prints goes to stderr; else nowhere.
        example_inputs: What a live module is called with: a tuple of arguments, or a dict of named ones.
        dynamic_shapes: The dims of a live module that are dynamic, as `torch.export.export` takes them.
    """

    inputs: tuple[str, ...] = ()
    model: str | None = None
    import_paths: tuple[Path, ...] = ()
    unsafe: bool = False
    opset: int | None = None
    keep_export: bool = False
    verbose: bool = False
    example_inputs: Any = None
    dynamic_shapes: Any = None

    def refuse_idle(self, path: Path, kind: Kind) -> None:
        """Refuse what would do nothing for a kind of file: the user means something by it.

        Raises:
            UsageError: An option does not apply.
        """
        idle = {
            "--input": bool(self.inputs) and kind in _WITHOUT_INPUTS,
            "--model": self.model is not None and kind not in _WITH_MODEL,
            "--import-path": bool(self.import_paths) and kind not in _WITH_MODEL,
            "--unsafe-load": self.unsafe and kind in _WITHOUT_UNSAFE,
            "--opset": self.opset is not None and kind is Kind.ONNX,
            "--keep-export": self.keep_export and kind is Kind.ONNX,
            "example_inputs": self.example_inputs is not None,
            "dynamic_shapes": self.dynamic_shapes is not None,
        }
        if named := [option for option, given in idle.items() if given]:
            hint = f"{_WHY[kind]} Leave it out.".strip()
            raise UsageError(f"{', '.join(named)}: no use for {path}, which is {kind.value}", hint=hint)
