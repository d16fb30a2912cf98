"""The models: samples as they are and with fixed sizes, big ones that are generated, and an exported zoo."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx
from onnxruntime.tools.onnx_model_utils import fix_output_shapes, make_dim_param_fixed

from benchmarks import models
from benchmarks.environments import environment

HERE = Path(__file__).parent
SAMPLES = HERE.parent / "sample_models"
ZOO = (
    "torchvision.alexnet",
    "mobilenetv3_small_050",
    "convnext_atto",
    "deit_tiny_patch16_224",
    "resmlp_12_224",
    "swin_tiny_patch4_window7_224",
)
BIG = ("vgg11", "external_420_mb", "many_layers")
GENERATED = {
    **models.MODELS,
    "external_420_mb": lambda path: models.write_external(path, *models.chain(4, 5120, transposed=False)),
    "many_layers": lambda path: models.write_one_file(path, *models.chain(1000, 8, transposed=False)),
}
"""How each is written; those that are not in BIG run only when they are named."""
TIMED = ("digits_cnn, fixed", "deit_tiny_patch16_224")
"""Those that tools are timed on, besides all big ones."""
SEQUENCE = 16
"""What a dynamic dim that is no batch becomes."""


@dataclass(frozen=True)
class Model:
    """A file, and whether tools are timed on it; `heavy` ones get fewer samples when they are verified."""

    name: str
    path: Path
    timed: bool
    heavy: bool = False


def is_timed(name: str) -> bool:
    """Whether tools are timed on the model of this name."""
    return name in TIMED or name in GENERATED


def fixed(path: Path, folder: Path) -> Path:
    """A copy with fixed sizes: batch 1, other dims 16. Not every tool takes dynamic ones. Data stays where it is."""
    proto = onnx.load(path, load_external_data=False)
    for value in proto.graph.input:
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            if dim.dim_param:
                make_dim_param_fixed(proto.graph, dim.dim_param, SEQUENCE if axis else 1)
    if not any(tensor.external_data for tensor in proto.graph.initializer):
        fix_output_shapes(proto)
    target = folder / path.name
    onnx.save(proto, target)
    return target


def samples() -> list[Model]:
    """The sample models; their batch is free. Those of a single layer show nothing that the others do not."""
    paths = sorted(path for path in SAMPLES.glob("*.onnx") if not path.stem.startswith("textbook"))
    return [Model(path.stem, path, timed=False) for path in paths if not path.stem.endswith(".conv")]


def fixed_samples(folder: Path) -> list[Model]:
    """The same with fixed sizes."""
    names = [f"{model.name}, fixed" for model in samples()]
    return [Model(name, fixed(m.path, folder), name in TIMED) for name, m in zip(names, samples(), strict=True)]


def big(name: str, folder: Path) -> Model:
    """A generated one, with a fixed batch; written unless it is there."""

    def write(path: Path) -> None:
        GENERATED[name](path)
        fixed(path, path.parent)

    path = models.write_once(folder / f"{name}.onnx", write)
    return Model(name, path, timed=True, heavy=name != "many_layers")


def zoo(names: Sequence[str], folder: Path, cache: Path) -> tuple[list[Model], str]:
    """Exported architectures, and what there is to say of those that are missing."""
    home = environment("zoo", cache)
    said = home.fault
    if not said:
        said = _export([str(home.program("python")), str(HERE / "zoo.py"), str(folder), *names])
    found = [name for name in names if (folder / f"{name}.onnx").exists()]
    if found or not names:
        return [Model(name, folder / f"{name}.onnx", name in TIMED) for name in found], said
    small = folder / "small"
    small.mkdir(exist_ok=True)
    said = " ".join([said, _export([sys.executable, str(HERE / "small_zoo.py"), str(small)])])
    (small / "fixed").mkdir(exist_ok=True)
    return [Model(p.stem, fixed(p, small / "fixed"), timed=False) for p in sorted(small.glob("*.onnx"))], said


def _export(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [line for line in done.stderr.splitlines() if done.returncode or "cannot be exported" in line]
    return "; ".join(lines[-3:] if done.returncode else lines)
