"""What is written in pieces is what protobuf would have written, and weights are where the file says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from helpers import assert_close, matmul, model, random, run, save, value
from onnx import TensorProto, helper, numpy_helper

from fc2conv_cli import serializing, wire
from fc2conv_cli.frontends.onnx_file import load
from fc2conv_cli.serializing import write_model
from fc2conv_cli.sizes import shape_of
from fc2conv_cli.transfer import Traffic
from fc2conv_cli.views import View
from fc2conv_cli.weights import Rearranged


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "SMALLEST", 16)
    monkeypatch.setattr(wire, "SMALLEST_FILE", 1)


def with_weights_everywhere() -> onnx.ModelProto:
    """Large tensors among the initializers, in a branch and its Constant, and in a function."""
    constant = helper.make_node("Constant", [], ["k"], value=numpy_helper.from_array(random((8, 8), seed=1), "k"))
    inner = numpy_helper.from_array(random((8, 8), seed=2), "inner")
    then = helper.make_graph(
        [constant, helper.make_node("Add", ["k", "inner"], ["t"])], "then", [], [value("t", [8, 8])], [inner]
    )
    other = helper.make_graph([helper.make_node("Identity", ["w"], ["e"])], "else", [], [value("e", [8, 8])])
    nodes = [
        helper.make_node("If", ["c"], ["b"], then_branch=then, else_branch=other),
        helper.make_node("Own", ["b"], ["y"], domain="own"),
    ]
    body = [
        helper.make_node("Constant", [], ["m"], value=numpy_helper.from_array(random((8, 8), seed=3), "m")),
        helper.make_node("MatMul", ["x", "m"], ["y"]),
    ]
    inputs, outputs = [value("c", [], TensorProto.BOOL)], [value("y", [8, 8])]
    proto = model(nodes, inputs, outputs, {"w": random((8, 8))}, extra_opsets={"own": 1})
    proto.functions.append(helper.make_function("own", "Own", ["x"], ["y"], body, [helper.make_opsetid("", 17)]))
    proto.graph.initializer[0].doc_string = "a weight"
    return proto


def test_one_file_is_written_as_protobuf_writes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(with_weights_everywhere(), tmp_path / "m.onnx")
    in_pieces = load(path)
    traffic = Traffic()
    write_model(in_pieces, tmp_path / "out.onnx", None, traffic)
    monkeypatch.setattr(wire, "SMALLEST_FILE", 10**9)
    ir.save(load(path), tmp_path / "plain.onnx")
    assert (tmp_path / "out.onnx").read_bytes() == (tmp_path / "plain.onnx").read_bytes()
    assert traffic == Traffic(copied=4 * 256)
    write_model(in_pieces, tmp_path / "again.onnx", None, traffic)  # it is as it was before
    assert (tmp_path / "again.onnx").read_bytes() == (tmp_path / "out.onnx").read_bytes()


def test_everything_survives_a_data_file(tmp_path: Path) -> None:
    path = save(with_weights_everywhere(), tmp_path / "m.onnx")
    (tmp_path / "o").mkdir()
    write_model(load(path), tmp_path / "o" / "m.onnx", tmp_path / "o" / "m.data", Traffic())
    for c in (True, False):
        assert_close(run(tmp_path / "o" / "m.onnx", {"c": np.array(c)}), run(path, {"c": np.array(c)}))


def weights(path: Path) -> dict[str, dict[str, str]]:
    tensors = onnx.load(path, load_external_data=False).graph.initializer
    return {t.name: {e.key: e.value for e in t.external_data} for t in tensors if t.external_data}


def test_large_weights_begin_where_every_system_can_map_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serializing, "_ALIGNED_FROM", 1024)
    constants = {"small": random((7, 11)), "large": random((32, 32)), "tiny": random((3,)), "last": random((32, 33))}
    nodes = [helper.make_node("Identity", [name], [f"{name}_y"]) for name in constants]
    outputs = [value(f"{name}_y", array.shape) for name, array in constants.items()]
    path = save(model(nodes, [], outputs, constants), tmp_path / "m.onnx")
    write_model(load(path), tmp_path / "o.onnx", tmp_path / "o.data", Traffic())
    found = {name: int(entry["offset"]) for name, entry in weights(tmp_path / "o.onnx").items()}
    assert found == {"small": 0, "large": 65536, "last": 131072}  # tiny is in the model's file
    assert_close(run(tmp_path / "o.onnx", {}), run(path, {}))
    onnx.checker.check_model(str(tmp_path / "o.onnx"))


def test_weights_that_share_their_bytes_still_do(tmp_path: Path) -> None:
    proto = matmul(["N", 16], random((16, 16)))
    path = tmp_path / "m.onnx"
    onnx.save(proto, path, save_as_external_data=True, location="w.bin", size_threshold=0)
    proto = onnx.load(path, load_external_data=False)
    also = proto.graph.initializer.add()
    also.CopyFrom(proto.graph.initializer[0])
    also.name = "also"
    proto.graph.node.add(op_type="Add", input=["also", "w"], output=["z"])
    proto.graph.output.append(value("z", [16, 16]))
    save(proto, path)
    write_model(load(path), tmp_path / "o.onnx", tmp_path / "o.data", Traffic())
    assert weights(tmp_path / "o.onnx")["also"] == weights(tmp_path / "o.onnx")["w"]
    assert (tmp_path / "o.data").stat().st_size == 1024
    x = {"x": random((2, 16))}
    assert_close(run(tmp_path / "o.onnx", x), run(path, x))


def test_small_external_weights_move_into_the_file(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    proto = matmul(["N", 4], random((4, 3)))
    onnx.save(proto, path, save_as_external_data=True, location="w.bin", size_threshold=0)
    (tmp_path / "o").mkdir()
    write_model(load(path), tmp_path / "o" / "m.onnx", None, Traffic())
    x = {"x": random((2, 4))}
    assert_close(run(tmp_path / "o" / "m.onnx", x), run(path, x))


@pytest.mark.parametrize(
    "dtype", [TensorProto.BFLOAT16, TensorProto.FLOAT8E4M3FN, TensorProto.INT4, TensorProto.STRING]
)
def test_other_types(tmp_path: Path, dtype: int) -> None:
    if dtype == TensorProto.STRING:
        tensor = helper.make_tensor("w", dtype, [100], [b"text"] * 100)
    else:
        tensor = numpy_helper.from_array(random((33, 33)).astype(helper.tensor_dtype_to_np_dtype(dtype)), "w")
    graph = helper.make_graph([], "g", [], [value("w", tensor.dims, dtype)], [tensor])
    path = save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)]), tmp_path / "m.onnx")
    for data in (None, tmp_path / "o.data"):
        write_model(load(path), tmp_path / "o.onnx", data, Traffic())
        (after,) = onnx.load(tmp_path / "o.onnx").graph.initializer
        np.testing.assert_array_equal(numpy_helper.to_array(after), numpy_helper.to_array(tensor))


@pytest.mark.parametrize("smallest", [1, 16, 2**16])
@pytest.mark.parametrize("size", [3, 40])
def test_small_weights_are_counted_like_large_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, smallest: int
) -> None:
    """What a tensor counts as does not depend on how it reaches the file."""
    monkeypatch.setattr(wire, "SMALLEST", smallest)
    names = ["kept", "flat", "turned", "computed", "computed_and_turned"]
    square = random((size, size))
    nodes = [helper.make_node("Constant", [], ["k"], value=numpy_helper.from_array(square, "k"))]
    nodes += [helper.make_node("Identity", [name], [f"{name}_"]) for name in [*names, "k"]]
    proto = model(nodes, [], [value("k_", [size, size])], dict.fromkeys(names, square))
    loaded = load(save(proto, tmp_path / "m.onnx"))
    held = loaded.graph.initializers
    flat = View.reshape(shape_of((size, size)), shape_of((size, size, 1)))
    assert flat is not None
    turn = View.transpose(shape_of((size, size)), (1, 0))
    sources = {name: held[name].const_value for name in names}
    made = ir.tensor(square * 2)
    held["flat"].const_value = Rearranged(sources["flat"], flat, (size, size, 1))
    held["turned"].const_value = Rearranged(sources["turned"], turn, (size, size))
    held["computed"].const_value = made
    held["computed_and_turned"].const_value = Rearranged(made, turn, (size, size))
    one = square.nbytes
    traffic = Traffic()
    write_model(loaded, tmp_path / "out.onnx", None, traffic)
    assert traffic.counts == (3 * one, one, 2 * one)
    traffic = Traffic()
    write_model(loaded, tmp_path / "out.onnx", tmp_path / "out.onnx.data", traffic)
    assert traffic.counts == (3 * one, one, 2 * one)


def test_what_is_read_from_elsewhere_is_not_counted(tmp_path: Path) -> None:
    loaded = load(save(with_weights_everywhere(), tmp_path / "m.onnx"))
    traffic = Traffic()
    where = ir.ExternalTensor("there", 0, 256, ir.DataType.FLOAT, shape=ir.Shape([8, 8]), name="w")

    def locate(tensor: ir.TensorProtocol) -> ir.ExternalTensor | None:
        return where if tensor.name == "w" else None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serializing, "EXTERNAL_THRESHOLD", 255)
        write_model(loaded, tmp_path / "out.onnx", None, traffic, locate)
    assert traffic.counts == (3 * 256, 0, 0)
