"""The tools, and how each is told to turn fully connected layers into convolutions and nothing else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.environments import Environment, environment

ROOT = Path(__file__).parents[1]
Command = Callable[[Environment | None, Path, Path], Sequence[str | Path]]
COPY, OURS = "cp", "fc2conv"


@dataclass(frozen=True)
class Tool:
    """A program that reads one model and writes another.

    Attributes:
        name: What tables call it.
        how: The options that matter, for the reader.
        command: The command line, of its environment, the source and the target.
        pins: Name of its list of pinned versions; None for what runs in this environment.
        converts: Whether its result is looked at; otherwise only its cost is of interest.
        variables: Environment variables for it.
        once_on_heavy: Whether one run has to do on big models.
    """

    name: str
    how: str
    command: Command
    pins: str | None = None
    converts: bool = True
    variables: Mapping[str, str] = field(default_factory=dict)
    once_on_heavy: bool = False


def files_of(model: Path) -> list[Path]:
    """A model and its data file, where it has one."""
    return [path for path in (model, model.with_name(f"{model.name}.data")) if path.exists()]


def _fc2conv(*options: str) -> Command:
    return lambda _, source, target: [
        sys.executable, "-m", "fc2conv_cli", "convert", source, "-o", target, "--quiet", *options,
    ]  # fmt: skip


def _copy(_: Environment | None, source: Path, target: Path) -> Sequence[str | Path]:
    return ["cp", "--reflink=never", *files_of(source), target.parent]


def _onnxsim(home: Environment | None, source: Path, target: Path) -> Sequence[str | Path]:
    assert home is not None
    return [home.program("onnxsim"), source, target, "--enable-optimization", "fuse_matmul_into_conv"]


def _onnxifier(home: Environment | None, source: Path, target: Path) -> Sequence[str | Path]:
    assert home is not None
    # infer_shape: without it gemm_to_conv gives up on every model that says no shapes of what is inside
    return [home.program("onnxify"), source, target, "--uncheck", "--activate", "infer_shape", "gemm_to_conv"]


def _olive(home: Environment | None, source: Path, target: Path) -> Sequence[str | Path]:
    assert home is not None
    return [home.program("python"), Path(__file__).with_name("olive_surgery.py"), source, target]


_OURS = {"PYTHONPATH": str(ROOT)}
TOOLS = [
    Tool(COPY, "copies the file and its data: the limit", _copy, converts=False),
    Tool(OURS, "`convert --no-verify`", _fc2conv("--no-verify"), variables=_OURS),
    Tool(
        "fc2conv, verified",
        "`convert`, as it is without options",
        _fc2conv(),
        converts=False,
        variables=_OURS,
        once_on_heavy=True,
    ),
    Tool("onnxsim", "`--enable-optimization fuse_matmul_into_conv`", _onnxsim, "onnxsim"),
    Tool("ONNXifier", "`--activate infer_shape gemm_to_conv --uncheck`", _onnxifier, "onnxifier"),
    Tool(
        "Olive",
        "GraphSurgeries `InferShapes`, `MatMulToTransposeConvTranspose`",
        _olive,
        "olive",
        variables={"OLIVE_DISABLE_TELEMETRY": "1", "HF_HUB_OFFLINE": "1"},
    ),
]


def homes(tools: Sequence[Tool], cache: Path) -> dict[str, Environment | None]:
    """The environment of each tool; None where it is this one."""
    return {tool.name: (tool.pins and environment(tool.pins, cache)) or None for tool in tools}
