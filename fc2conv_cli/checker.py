"""Whether a file is valid ONNX: onnx.checker first, and onnxruntime for what the checker does not know.

Some files that run everywhere fail the checker (LayerNormalization before opset 17, which is onnxruntime's own). They
are not refused, but their conversions cannot be held to a checker that they fail themselves.
"""

from __future__ import annotations

from pathlib import Path

import onnx

from fc2conv_cli import wire


def complaint(path: Path) -> str | None:
    """What onnx.checker says against a file in one line, or None if it is valid."""
    try:
        onnx.checker.check_model(_without_weights(path) or str(path))
    except Exception as error:  # the checker is C++ behind pybind: what escapes is not documented
        first = str(error).partition("==>")[0]  # the checker's own words; what follows repeats the node
        return " ".join(first.split()) or type(error).__name__
    return None


def _without_weights(path: Path) -> bytes | None:
    """A large model without its weights, of which the checker only asks that they are there.

    One with external data is checked by its path, since the checker looks for the files.
    """
    cut = wire.cut(path)
    return None if cut is None or b"location" in cut.model else cut.model
