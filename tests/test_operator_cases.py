"""The ONNX project's own operator test cases: Gemm and MatMul with a constant weight, all others as they are."""

from __future__ import annotations

import warnings
from pathlib import Path

import onnx
import pytest
from helpers import assert_close, ops, run, save
from onnx import numpy_helper
from onnx.backend.test.case.node import collect_testcases
from onnx.backend.test.case.test_case import TestCase

from fc2conv_cli import convert


def all_cases() -> list[TestCase]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list({case.name: case for case in collect_testcases(None) if case.model is not None}.values())


def cases() -> list[TestCase]:
    return [c for c in all_cases() if c.model.graph.node[0].op_type in ("Gemm", "MatMul")]


@pytest.mark.parametrize("weight", [0, 1])
def test_operator_cases(tmp_path: Path, weight: int, subtests: pytest.Subtests) -> None:
    found = cases()
    assert len(found) >= 18
    for case in found:
        with subtests.test(case.name):
            _check(case, weight, tmp_path)


def test_every_other_operator_comes_back_unchanged(tmp_path: Path, subtests: pytest.Subtests) -> None:
    found = all_cases()
    assert len(found) > 1800
    for case in found:  # their weights are inputs, so that none of them has a layer
        with subtests.test(case.name):
            source = save(case.model, tmp_path / "m.onnx")
            report = convert(source, tmp_path / "out.onnx", force=True, verify=False)
            assert report.status == "nothing to convert"
            assert (tmp_path / "out.onnx").read_bytes() == source.read_bytes()


def _check(case: TestCase, weight: int, folder: Path) -> None:
    proto = onnx.ModelProto()
    proto.CopyFrom(case.model)
    ((inputs, outputs),) = case.data_sets
    proto.graph.initializer.append(numpy_helper.from_array(inputs[weight], proto.graph.node[0].input[weight]))
    del proto.graph.input[weight]
    report = convert(save(proto, folder / "m.onnx"), folder / "out.onnx", force=True)
    assert report.passed
    left = ops(folder / "out.onnx")
    assert "Conv" in left
    assert not {"Gemm", "MatMul"} & set(left)
    feeds = {
        port.name: a for i, (port, a) in enumerate(zip(case.model.graph.input, inputs, strict=True)) if i != weight
    }
    assert_close(run(folder / "out.onnx", feeds), outputs, 1e-5)
