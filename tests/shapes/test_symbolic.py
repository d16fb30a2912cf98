"""Symbolic inference: dims by name, products of them, and what a file only claims."""

from __future__ import annotations

from pathlib import Path

import onnx
import onnx_ir as ir
import pytest
from helpers import INT64, converted, model, random, value
from onnx import helper

from fc2conv_cli.shapes import infer
from fc2conv_cli.shapes.symbolic import _parse_product
from fc2conv_cli.sizes import Size, shape_of


def shape(proto: onnx.ModelProto, name: str) -> object:
    irmodel = ir.from_proto(proto)
    shapes = infer(irmodel)
    found = next(v for n in irmodel.graph for v in n.outputs if v.name == name)
    return shapes.shape(found)


@pytest.mark.parametrize("name", ["N", "batch-size", "batch size", "unk__6", "b.1", "2", "N*2", "日本"])
def test_a_dim_may_have_any_name(name: str) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["r"]), helper.make_node("MatMul", ["r", "w"], ["y"])]
    proto = model(nodes, [value("x", [name, 4])], [value("y", None)], {"w": random((4, 3))})
    assert shape(proto, "y") == (Size.of(name), Size.of(3))


def test_placeholders_are_not_one_dim() -> None:
    nodes = [helper.make_node("Relu", ["x"], ["r"]), helper.make_node("Relu", ["r"], ["y"])]
    found = shape(model(nodes, [value("x", ["?", "?"])], [value("y", None)]), "r")
    assert isinstance(found, tuple)
    assert found[0] != found[1]


def test_the_model_is_left_as_it_was() -> None:
    nodes = [helper.make_node("Relu", ["x"], ["r"]), helper.make_node("Relu", ["r"], ["y"])]
    proto = model(nodes, [value("x", ["batch-size", 4])], [value("y", [None, 4])], value_info=[value("r", [7, 4])])
    irmodel = ir.from_proto(proto)
    infer(irmodel)
    assert ir.to_proto(irmodel) == ir.to_proto(ir.from_proto(proto))


def test_a_stale_value_info_is_not_believed() -> None:
    nodes = [helper.make_node("Relu", ["x"], ["r"]), helper.make_node("Relu", ["r"], ["y"])]
    proto = model(nodes, [value("x", ["N", 4])], [value("y", None)], value_info=[value("r", [1, 4])])
    assert shape(proto, "r") == shape_of(["N", 4])


def test_what_cannot_be_inferred_is_taken_from_the_file() -> None:
    nodes = [helper.make_node("Odd", ["x"], ["r"], domain="my.ops"), helper.make_node("Relu", ["r"], ["y"])]
    known = [value("r", ["N", 8])]
    proto = model(nodes, [value("x", ["N", 4])], [value("y", None)], value_info=known, extra_opsets={"my.ops": 1})
    assert shape(proto, "y") == shape_of(["N", 8])


def test_a_squeeze_without_axes_has_no_rank_while_a_dim_is_symbolic() -> None:
    nodes = [helper.make_node("Squeeze", ["x"], ["s"]), helper.make_node("Relu", ["s"], ["y"])]
    assert shape(model(nodes, [value("x", ["N", 1, 4])], [value("y", [None, 4])]), "s") is None
    assert shape(model(nodes, [value("x", [3, 1, 4])], [value("y", [3, 4])]), "s") == shape_of([3, 4])


def test_products_of_dims() -> None:
    nodes = [helper.make_node("Reshape", ["x", "s"], ["y"])]
    import numpy as np

    proto = model(nodes, [value("x", ["N", "S", 4])], [value("y", None)], {"s": np.array([-1, 4])})
    assert shape(proto, "y") == (Size(1, ("N", "S")), Size.of(4))


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("a", Size.of("a")),
        ("2*a*b", Size(2, ("a", "b"))),
        ("a**2*b", Size(1, ("a", "a", "b"))),
        ("a + b", Size.of("a + b")),
        ("a/2", Size.of("a/2")),
        ("4*floor(a/2)", Size(4, ("floor(a/2)",))),
        ("12", Size.of(12)),
    ],
)
def test_reading_expressions(text: str, size: Size) -> None:
    assert _parse_product(text) == size


def test_no_trace_is_left_in_the_file(tmp_path: Path) -> None:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"], name="fc"), helper.make_node("Shape", ["x"], ["s"])]
    outputs = [value("y", ["N", 3]), value("s", [2], INT64)]
    path, _ = converted(model(nodes, [value("x", ["N", 4])], outputs, {"w": random((4, 3))}), tmp_path)
    after = onnx.load(path)
    values = (*after.graph.input, *after.graph.output, *after.graph.value_info)
    assert not [p.key for v in values for p in v.metadata_props if p.key != "fc2conv.from"]
