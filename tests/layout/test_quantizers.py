"""Which QuantizeLinear and DequantizeLinear any layout passes through, and which pairs do nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from helpers import model, value
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from fc2conv_cli.layout.quantizers import is_quantizer, undoes
from fc2conv_cli.shapes import infer


def pair(scale: Any, again: Any = None, zero: Any = 3, zero_again: Any = None, **attributes: int) -> ir.Model:
    """``q -> DequantizeLinear -> QuantizeLinear -> y``."""
    constants = {
        "s": np.asarray(scale, np.float32), "t": np.asarray(scale if again is None else again, np.float32),
        "z": np.asarray(zero, np.int8), "u": np.asarray(zero if zero_again is None else zero_again, np.int8),
    }  # fmt: skip
    nodes = [
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["f"], **attributes),
        helper.make_node("QuantizeLinear", ["f", "t", "u"], ["y"], **attributes),
    ]
    int8 = TensorProto.INT8
    return ir.from_proto(model(nodes, [value("q", [2, 3], int8)], [value("y", [2, 3], int8)], constants, opset=19))


@pytest.mark.parametrize("shape", [(), (1,)])
def test_one_scale_for_all(shape: tuple[int, ...]) -> None:
    quantised = pair(np.full(shape, 0.1), zero=np.full(shape, 3))
    shapes = infer(quantised)
    assert all(is_quantizer(node, shapes) for node in quantised.graph)


def test_a_scale_for_each_channel_has_an_axis() -> None:
    quantised = pair([0.1, 0.2, 0.3], zero=[0, 0, 0], axis=1)
    shapes = infer(quantised)
    assert not any(is_quantizer(node, shapes) for node in quantised.graph)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"again": 0.2}, False),
        ({"zero_again": 4}, False),
        ({"scale": 1e-40}, False),
        ({"scale": np.inf}, False),
    ],
)
def test_a_pair_of_one_scale_and_zero_point_does_nothing(change: dict[str, Any], expected: bool) -> None:
    dequantize, quantize = pair(**{"scale": 0.1, **change}).graph
    assert undoes(quantize, dequantize) is expected
    assert not undoes(dequantize, quantize)


def test_an_overridable_scale_may_be_another() -> None:
    overridable = pair(0.1)
    dequantize, quantize = overridable.graph
    overridable.graph.inputs.append(overridable.graph.initializers["t"])
    assert not undoes(quantize, dequantize)


@given(st.floats(float(np.finfo(np.float32).tiny), 2.0**100, width=32), st.integers(-32768, 32767))
def test_16_bits_survive_a_pair(scale: float, zero: int) -> None:
    q, s = np.arange(-32768, 32768, dtype=np.int32), np.float32(scale)
    floats = (q - zero).astype(np.float32) * s
    with np.errstate(over="ignore", invalid="ignore"):
        again = np.rint(floats / s) + zero
    finite = np.isfinite(floats)
    np.testing.assert_array_equal(again[finite], q[finite])
