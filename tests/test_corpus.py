"""Public models: no crash, no wrong result by our own run, and every layer of a spelling that is supported gone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from helpers import CORPUS, assert_close, run

from fc2conv_cli import convert, verify

MODELS = sorted((CORPUS / "onnx").glob("*.onnx"))

pytestmark = pytest.mark.skipif(not MODELS, reason="the corpus is not beside the project")


def feeds(proto: onnx.ModelProto, size: int) -> dict[str, np.ndarray]:
    constants = {t.name for t in proto.graph.initializer}
    result = {}
    rng = np.random.default_rng(11)
    for port in proto.graph.input:
        if port.name in constants:
            continue
        shape = [d.dim_value if d.HasField("dim_value") else size for d in port.type.tensor_type.shape.dim]
        dtype = onnx.helper.tensor_dtype_to_np_dtype(port.type.tensor_type.elem_type)
        floats = np.issubdtype(dtype, np.floating)
        result[port.name] = np.asarray(rng.standard_normal(shape) if floats else rng.integers(0, 2, shape)).astype(
            dtype
        )
    return result


@pytest.mark.parametrize("source", MODELS, ids=lambda p: p.stem)
def test_corpus(source: Path, tmp_path: Path) -> None:
    report = convert(source, tmp_path / "out.onnx")
    assert report.passed
    assert report.verified
    assert verify(source, tmp_path / "out.onnx").passed  # with the default settings: no false alarm
    assert report.plan.layers
    assert not report.plan.left
    original = onnx.load(source)
    left = [n for n in onnx.load(tmp_path / "out.onnx").graph.node if n.op_type in ("Gemm", "MatMul")]
    runtime = {s.name for s in report.plan.skips if not s.reason.is_layer}
    assert {n.name for n in left} == runtime
    constants = {t.name for t in original.graph.initializer} | {
        o for n in original.graph.node if n.op_type == "Constant" for o in n.output
    }
    assert not any(set(n.input) & constants for n in left)
    for size in (1, 3):
        inputs = feeds(original, size)
        assert_close(run(tmp_path / "out.onnx", inputs), run(original, inputs), 1e-5)


def test_the_corpus_is_whole() -> None:
    assert len(MODELS) == 31
