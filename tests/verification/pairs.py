"""Two models compared, from their protobufs."""

from __future__ import annotations

from pathlib import Path

import onnx
from helpers import save

from fc2conv_cli import Settings, verify
from fc2conv_cli.verification.report import VerifyReport


def pair(tmp_path: Path, ours: onnx.ModelProto, theirs: onnx.ModelProto, **settings: object) -> VerifyReport:
    return verify(save(ours, tmp_path / "a.onnx"), save(theirs, tmp_path / "b.onnx"), settings=Settings(**settings))  # type: ignore[arg-type]
