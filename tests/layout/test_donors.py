from __future__ import annotations

import onnx_ir as ir
import pytest

from fc2conv_cli.layout.donors import Donors
from fc2conv_cli.shapes import Shapes
from fc2conv_cli.sizes import Size, shape_of


def test_the_first_value_with_a_size_gives_it() -> None:
    shapes, (a, b, c) = Shapes(), (ir.Value(name=name) for name in "abc")
    for value, dims in ((a, ["N", 4]), (b, ["N", "S"]), (c, ["S"])):
        shapes.record(value, shape_of(dims), None)
    donors = Donors(shapes, [a])
    donors.add([b, c])
    assert donors.of(Size.of("N")) is a
    assert donors.of(Size.of("S")) is b
    led = donors.led_by(c)
    assert led.of(Size.of("S")) is c
    assert led.of(Size.of("N")) is a
    with pytest.raises(KeyError):
        led.of(Size.of("M"))
