from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from helpers import FLOAT16, INT64, matmul, model, random, save, value
from onnx import TensorProto, helper

from fc2conv_cli import verify
from fc2conv_cli.errors import InvalidModelError
from fc2conv_cli.verification.facts import facts_of


def test_the_tables_that_integers_look_up(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Cast", ["ids"], ["i32"], to=6),
        helper.make_node("Unsqueeze", ["i32", "axes"], ["u"]),
        helper.make_node("Gather", ["table", "u"], ["e"]),
        helper.make_node("Gather", ["short", "kinds"], ["k"], axis=1),
        helper.make_node("OneHot", ["classes", "depth", "onoff"], ["hot"]),
    ]
    constants = {
        "axes": np.array([0]), "table": random((5, 4)), "short": random((4, 2)),
        "depth": np.array(3), "onoff": np.array([0, 1]),
    }  # fmt: skip
    inputs = [value("ids", ["N"], INT64), value("kinds", ["N"], INT64), value("classes", ["N"], INT64)]
    outputs = [value("e", None), value("k", None), value("hot", None, INT64)]
    path = save(model(nodes, inputs, outputs, constants), tmp_path / "m.onnx")
    assert facts_of(path).tables == {"ids": (0, 4), "kinds": (0, 1), "classes": (0, 2)}


@pytest.mark.parametrize(
    ("dtype", "name"),
    [(np.float64, "float64"), (np.float32, "float32"), (np.float16, "float16"), (ml_dtypes.bfloat16, "bfloat16")],
)
def test_the_coarsest_float_is_what_counts(tmp_path: Path, dtype: type, name: str) -> None:
    onnx_type = int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
    nodes = [helper.make_node("Cast", ["x"], ["h"], to=onnx_type), helper.make_node("MatMul", ["h", "w"], ["y"])]
    x, y = value("x", ["N", 4], TensorProto.DOUBLE), value("y", ["N", 3], onnx_type)
    proto = model(nodes, [x], [y], {"w": random((4, 3)).astype(dtype)})
    assert facts_of(save(proto, tmp_path / "m.onnx")).coarsest_floats == {"y": name}


def test_float16_that_is_only_stored_does_not_count(tmp_path: Path) -> None:
    nodes = [helper.make_node("Cast", ["w"], ["w32"], to=1), helper.make_node("MatMul", ["x", "w32"], ["y"])]
    constants = {"w": random((4, 3), np.float16), "unused": random((4,), np.float16)}
    proto = model(nodes, [value("x", ["N", 4])], [value("y", ["N", 3])], constants)
    assert facts_of(save(proto, tmp_path / "m.onnx")).coarsest_floats == {"y": "float32"}


def test_a_coarse_branch_does_not_loosen_other_outputs(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Cast", ["x"], ["h"], to=FLOAT16), helper.make_node("Cast", ["h"], ["coarse"], to=1),
        helper.make_node("Relu", ["x"], ["fine"]),
    ]  # fmt: skip
    proto = model(nodes, [value("x", [2])], [value("coarse", [2]), value("fine", [2])])
    found = facts_of(save(proto, tmp_path / "m.onnx")).coarsest_floats
    assert found == {"coarse": "float16", "fine": "float32"}


def test_what_counts_as_quantised(tmp_path: Path) -> None:
    assert not facts_of(save(matmul(["N", 4], random((4, 3))), tmp_path / "m.onnx")).quantized
    node = helper.make_node("MatMulInteger", ["x", "w"], ["y"])
    x, y = value("x", ["N", 4], TensorProto.UINT8), value("y", ["N", 3], TensorProto.INT32)
    integers = model([node], [x], [y], {"w": np.ones((4, 3), np.uint8)})
    assert facts_of(save(integers, tmp_path / "q.onnx")).quantized


def test_float16_inside(tmp_path: Path) -> None:
    nodes = [helper.make_node("Cast", ["x"], ["h"], to=FLOAT16), helper.make_node("Cast", ["h"], ["y"], to=1)]
    proto = model(nodes, [value("x", [1])], [value("y", [1])])
    assert facts_of(save(proto, tmp_path / "m.onnx")).coarsest_floats == {"y": "float16"}


def test_masks_are_known_by_what_is_done_with_them(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Cast", ["kept"], ["b"], to=TensorProto.BOOL),
        helper.make_node("Where", ["b", "one", "zero"], ["y"]),
        helper.make_node("Cast", ["shown"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["one", "f"], ["z"]),
        helper.make_node("Cast", ["attention_mask"], ["u"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["count"], ["v"], to=TensorProto.FLOAT),
    ]
    inputs = [value(name, ["N"], INT64) for name in ("kept", "shown", "attention_mask", "count")]
    constants = {"one": np.array(1, np.float32), "zero": np.array(0, np.float32)}
    path = save(model(nodes, inputs, [value(n, None) for n in "yzuv"], constants), tmp_path / "m.onnx")
    assert facts_of(path).masks == {"kept", "shown"}
    assert facts_of(path).called_masks == {"attention_mask"}


def test_lengths_of_sequences(tmp_path: Path) -> None:
    weights = {"w": random((1, 8, 3)), "r": random((1, 8, 2))}
    nodes = [helper.make_node("LSTM", ["x", "w", "r", "", "steps"], ["y"], hidden_size=2)]
    inputs = [value("x", ["T", "B", 3]), value("steps", ["B"], TensorProto.INT32)]
    path = save(model(nodes, inputs, [value("y", None)], weights), tmp_path / "m.onnx")
    assert facts_of(path).lengths == {"steps": "T"}
    assert verify(path, path).passed


def test_float16_that_no_number_passes_through_does_not_loosen(tmp_path: Path) -> None:
    """The size of a float16 value, and 0 and 1 stored in it, are exact."""
    nodes = [
        helper.make_node("Cast", ["x"], ["h"], to=FLOAT16), helper.make_node("Shape", ["h"], ["s"]),
        helper.make_node("Reshape", ["x", "s"], ["sized"]),
        helper.make_node("Greater", ["x", "zero"], ["g"]), helper.make_node("Cast", ["g"], ["gh"], to=FLOAT16),
        helper.make_node("Cast", ["gh"], ["gf"], to=1), helper.make_node("Mul", ["x", "gf"], ["masked"]),
        helper.make_node("Cast", ["gf"], ["again"], to=FLOAT16), helper.make_node("Cast", ["again"], ["passed"], to=1),
    ]  # fmt: skip
    outputs = [value("sized", ["N", 4]), value("masked", ["N", 4]), value("passed", ["N", 4])]
    proto = model(nodes, [value("x", ["N", 4])], outputs, {"zero": np.float32(0).reshape(())})
    path = save(proto, tmp_path / "m.onnx")
    # A cast of floats counts, whatever stands in them: that is not followed.
    assert facts_of(path).coarsest_floats == {"sized": "float32", "masked": "float32", "passed": "float16"}


def test_outputs_that_are_chosen(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("ArgMax", ["x"], ["a"], axis=1), helper.make_node("Identity", ["a"], ["index"]),
        helper.make_node("Round", ["x"], ["r"]), helper.make_node("Cast", ["r"], ["number"], to=INT64),
    ]  # fmt: skip
    outputs = [value("index", ["N", 1], INT64), value("number", ["N", 4], INT64)]
    path = save(model(nodes, [value("x", ["N", 4])], outputs), tmp_path / "m.onnx")
    assert facts_of(path).chosen == {"index"}


def test_a_function_that_is_only_called_quantised_is_not(tmp_path: Path) -> None:
    node = helper.make_node("MyQuantHead", ["x"], ["y"], domain="own")
    body = helper.make_function("own", "MyQuantHead", ["a"], ["b"], [helper.make_node("Relu", ["a"], ["b"])], [])
    body.opset_import.append(helper.make_opsetid("", 18))
    proto = model([node], [value("x", [2])], [value("y", [2])], extra_opsets={"own": 1})
    proto.functions.append(body)
    found = facts_of(save(proto, tmp_path / "m.onnx"))
    assert not found.quantized
    assert not found.sums_integers


def test_an_empty_depth_is_refused(tmp_path: Path) -> None:
    nodes = [helper.make_node("OneHot", ["ids", "depth", "onoff"], ["y"])]
    constants = {"depth": np.zeros(0, np.int64), "onoff": np.array([0, 1])}
    proto = model(nodes, [value("ids", ["N"], INT64)], [value("y", None, INT64)], constants)
    path = save(proto, tmp_path / "m.onnx")
    with pytest.raises(InvalidModelError, match=r"the depth of node .* \(OneHot\) is empty"):
        verify(path, path)


def test_a_type_to_cast_to_that_is_no_integer_is_refused(tmp_path: Path) -> None:
    proto = model([helper.make_node("Cast", ["x"], ["y"], to=1.0)], [value("x", ["N"])], [value("y", ["N"])])
    path = save(proto, tmp_path / "m.onnx")
    with pytest.raises(InvalidModelError, match=r"the attribute 'to' of node 'y' \(Cast\) is no integer"):
        verify(path, path)


def test_large_ids_of_uint64(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Sub", ["ids", "offset"], ["i"]),
        helper.make_node("Cast", ["i"], ["j"], to=INT64),
        helper.make_node("Gather", ["table", "j"], ["y"]),
    ]
    constants = {"offset": np.array(2**63, np.uint64), "table": random((4, 3))}
    proto = model(nodes, [value("ids", ["N"], TensorProto.UINT64)], [value("y", ["N", 3])], constants)
    path = save(proto, tmp_path / "m.onnx")
    assert verify(path, path).passed
