from __future__ import annotations

import pytest

from fc2conv_cli.errors import UsageError
from fc2conv_cli.frontends.input_specs import InputSpec, parse


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("x:1x45", InputSpec("x", (1, 45))),
        ("image:Nx3xHxW:float16", InputSpec("image", ("N", 3, "H", "W"), "float16")),
        ("ids:NxSEQ:int64", InputSpec("ids", ("N", "SEQ"), "int64")),
        ("a.b_1:7:half", InputSpec("a.b_1", (7,), "float16")),
        ("flag::bool", InputSpec("flag", (), "bool")),
        ("t:batchxtime:long", InputSpec("t", ("batch", "time"), "int64")),
    ],
)
def test_what_can_be_said(text: str, spec: InputSpec) -> None:
    assert parse([text]) == (spec,)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("1x45", "it is not NAME:SHAPE"),
        ("x", "it is not NAME:SHAPE"),
        (":1x2", "it is not NAME:SHAPE"),
        ("x:1:float32:y", "it is not NAME:SHAPE"),
        ("x:0x4", "the dim '0'"),
        ("x:-1x4", "the dim '-1'"),
        ("x:1,4", "the dim '1,4'"),
        ("x:1x", "the dim ''"),
        ("x:1x4:complex64", "the type 'complex64' is none of float32, float16"),
    ],
)
def test_what_cannot_be_read(text: str, why: str) -> None:
    with pytest.raises(UsageError, match="cannot be read") as caught:
        parse([text])
    assert why in caught.value.message
    assert "--input x:1x3x224x224" in caught.value.hint


def test_a_name_twice() -> None:
    with pytest.raises(UsageError, match="names 'x' twice"):
        parse(["x:1", "y:2", "x:3"])
