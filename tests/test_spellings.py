"""Every spelling in docs/spellings.md: converted at dynamic sizes 1 and 3, and equal to onnxruntime's own result."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import onnx
import pytest
from helpers import SAMPLES, assert_close, run, save
from onnx import helper
from spellings import SPELLINGS, Spelling

from fc2conv_cli import convert

CASES = [pytest.param(s, id=f"{s.group}: {s.title}") for s in SPELLINGS]


def feeds(proto: onnx.ModelProto, size: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(size)
    initializers = {i.name for i in proto.graph.initializer}
    made = {}
    for port in proto.graph.input:
        if port.name in initializers:
            continue
        tensor = port.type.tensor_type
        shape = [d.dim_value if d.HasField("dim_value") else size for d in tensor.shape.dim]
        dtype = helper.tensor_dtype_to_np_dtype(tensor.elem_type)
        floats = dtype.kind == "f" or "float" in dtype.name
        drawn = rng.standard_normal(shape) if floats else rng.integers(0, 2 if dtype.kind == "b" else 9, shape)
        if dtype in (np.int8, np.uint8):
            info = np.iinfo(dtype)
            drawn = rng.integers(info.min, info.max + 1, shape)
        made[port.name] = np.asarray(drawn).astype(dtype)
    return made


@pytest.mark.parametrize("spelling", CASES)
def test_it_becomes_what_the_table_says(tmp_path: Path, spelling: Spelling) -> None:
    proto = spelling.build()
    source = save(proto, tmp_path / "model.onnx")
    report = convert(source, tmp_path / "out.onnx", **(spelling.options or {}))
    if spelling.stays:
        assert [s.reason.code for s in report.plan.skips] == [spelling.stays]
        assert not report.plan.layers
        return
    assert report.verified
    assert report.plan.layers
    assert not report.plan.left
    if (spelling.options or {}).get("allow_unverifiable"):
        return  # onnxruntime cannot say
    for size in (1, 3):
        x = feeds(proto, size)
        ours, theirs = run(tmp_path / "out.onnx", x), run(proto, x)
        assert_close(ours, theirs, spelling.tolerance)


def test_the_page_is_made_from_these_cases() -> None:
    docs = SAMPLES.parent / "docs"
    made = runpy.run_path(str(docs / "make_spellings.py"))["page"]()
    assert made == (docs / "spellings.md").read_text(encoding="utf-8"), "run: python docs/make_spellings.py"
