"""The zoo where timm is not to be had: ``small_zoo.py FOLDER`` exports the wirings of tests/architectures.py, tiny."""

from __future__ import annotations

import sys
from pathlib import Path

import onnx

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import architectures

IMAGE = (3, 8, 8)
NETWORKS = {
    "tiny_alexnet": (architectures.alexnet, IMAGE),
    "tiny_resnet": (architectures.resnet, IMAGE),
    "tiny_mobilenet": (architectures.mobilenet, IMAGE),
    "tiny_densenet": (architectures.densenet, IMAGE),
    "tiny_convnext": (architectures.convnext, (8, 8, 8)),
    "tiny_vit": (lambda: architectures.ViT(2), IMAGE),
    "tiny_bert": (lambda: architectures.bert(2), (5, 16)),
    "tiny_swin": (lambda: architectures.SwinBlock(8), (4, 4, 8)),
    "tiny_mixer": (lambda: architectures.MixerBlock(4, 8), (4, 8)),
}


def main() -> None:
    """Export what is not there yet."""
    for name, (make, shape) in NETWORKS.items():
        path = Path(sys.argv[1]) / f"{name}.onnx"
        if not path.exists():
            onnx.save(architectures.export(make(), shape, dynamo=True), path)


if __name__ == "__main__":
    main()
