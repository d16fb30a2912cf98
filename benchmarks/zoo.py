"""Exports known architectures with random weights: ``zoo.py FOLDER NAME ...``, in the environment that has them.

A name is one of timm's models, or ``torchvision.NAME``. Nothing is downloaded. Sizes are fixed, batch 1.
"""

from __future__ import annotations

import logging
import sys
import warnings
from pathlib import Path

import torch

OPSET = 18


def declare_torchvision_operators() -> None:
    """Let torchvision's Python import where its compiled part does not load (a CUDA wheel beside PyTorch for CPUs).

    No model of the zoo calls these two operators; torchvision only needs them to exist.
    """
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    torch.__dict__["_declared_for_torchvision"] = library  # they go when it goes


def network(name: str) -> tuple[torch.nn.Module, tuple[int, ...]]:
    """A network and the shape of its input."""
    if name.startswith("torchvision."):
        import torchvision

        return torchvision.models.get_model(name.removeprefix("torchvision."), weights=None), (1, 3, 224, 224)
    import timm

    module = timm.create_model(name, pretrained=False)
    return module, (1, *module.pretrained_cfg["input_size"])


def export(name: str, path: Path) -> None:
    """Write one of them as one file, so that none is there that was not finished."""
    torch.manual_seed(0)
    module, shape = network(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module.eval(), (torch.randn(shape),), dynamo=True, opset_version=OPSET,
            input_names=["x"], output_names=["y"], verbose=False,
        )  # fmt: skip
    part = path.with_suffix(".part")
    program.save(part, external_data=False)
    part.replace(path)


def main() -> None:
    """Export what is not there yet; say on stderr what cannot be."""
    logging.disable(logging.WARNING)
    folder = Path(sys.argv[1])
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        sys.modules.pop("torchvision", None)
        declare_torchvision_operators()
    for name in sys.argv[2:]:
        path = folder / f"{name}.onnx"
        if path.exists():
            continue
        try:
            export(name, path)
        except Exception as error:  # one architecture must not take the others along
            print(f"{name} cannot be exported: {' '.join(str(error).split())[:200]}", file=sys.stderr)


if __name__ == "__main__":
    main()
