"""A model that is cut open and put together again is the same, byte for byte."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from helpers import SAMPLES, matmul, model, random, save, value
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from fc2conv_cli import wire


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "SMALLEST", 16)
    monkeypatch.setattr(wire, "SMALLEST_FILE", 1)


@st.composite
def tensors(draw: st.DrawFn, name: str) -> onnx.TensorProto:
    data = draw(st.binary(max_size=300))
    tensor = TensorProto(name=name, dims=[len(data)], data_type=TensorProto.UINT8)
    if draw(st.booleans()):
        tensor.int32_data.extend(data)
    else:
        tensor.raw_data = data
    tensor.doc_string = draw(st.text(max_size=40))
    return tensor


@st.composite
def graphs(draw: st.DrawFn, depth: int = 0) -> onnx.GraphProto:
    graph = onnx.GraphProto(name=draw(st.text(max_size=20)), doc_string=draw(st.text(max_size=200)))
    graph.initializer.extend(draw(tensors(f"w{depth}_{i}")) for i in range(draw(st.integers(0, 3))))
    for _ in range(draw(st.integers(0, 2))):
        node = graph.node.add(op_type="Constant", output=["c"])
        node.attribute.append(helper.make_attribute("value", draw(tensors("t"))))
        node.attribute.append(helper.make_attribute("all", draw(st.lists(tensors("l"), min_size=1, max_size=2))))
    if depth < 2 and draw(st.booleans()):
        graph.node.add(op_type="If").attribute.append(helper.make_attribute("then_branch", draw(graphs(depth + 1))))
    return graph


@st.composite
def models(draw: st.DrawFn) -> onnx.ModelProto:
    proto = onnx.ModelProto(ir_version=8, graph=draw(graphs()), producer_name=draw(st.text(max_size=30)))
    for _ in range(draw(st.integers(0, 2))):
        proto.functions.add(name="f", domain="d").node.extend(draw(graphs(1)).node)
    return proto


def together(path: Path, cut: wire.Cut) -> bytes:
    data = path.read_bytes()
    blobs = {name: wire.Blob(n, data[at : at + n]) for name, (at, n) in cut.weights.items()}
    return b"".join(
        piece.content if isinstance(piece, wire.Blob) else piece for piece in wire.spliced(cut.model, blobs)
    )


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(proto=models())
def test_cut_and_spliced(proto: onnx.ModelProto, tmp_path: Path) -> None:
    path = save(proto, tmp_path / "m.onnx")
    cut = wire.cut(path)
    if not path.stat().st_size:
        return
    assert cut is not None
    assert together(path, cut) == path.read_bytes()
    data, small = path.read_bytes(), onnx.ModelProto.FromString(cut.model)
    for mine, theirs in zip(small.graph.initializer, proto.graph.initializer, strict=True):
        if (place := cut.weights.get(mine.raw_data)) is not None:
            mine.raw_data = data[place[0] : sum(place)]
        assert mine == theirs
        assert (place is not None) == (len(theirs.raw_data) >= 16)


@pytest.mark.parametrize("name", ["vgg_head", "transformer_encoder"])
def test_samples(name: str) -> None:
    path = SAMPLES / f"{name}.onnx"
    cut = wire.cut(path)
    assert cut is not None
    assert len(cut.model) < path.stat().st_size / 4
    assert together(path, cut) == path.read_bytes()


def test_weights_of_bodies_and_functions_are_found(tmp_path: Path) -> None:
    constant = helper.make_node("Constant", [], ["w"], value=numpy_helper.from_array(random((8, 8)), "t"))
    body = helper.make_graph([constant], "body", [], [value("w", [8, 8])])
    branch = helper.make_node("If", ["c"], ["y"], then_branch=body, else_branch=body)
    proto = model([branch], [value("c", [], TensorProto.BOOL)], [value("y", [8, 8])])
    proto.functions.append(helper.make_function("d", "f", [], ["w"], [constant], [helper.make_opsetid("", 17)]))
    cut = wire.cut(save(proto, tmp_path / "m.onnx"))
    assert cut is not None
    assert [n for _, n in cut.weights.values()] == [256] * 3


def test_small_files_are_left_to_protobuf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "SMALLEST_FILE", 10_000)
    assert wire.cut(save(matmul([1, 4], random((4, 3))), tmp_path / "m.onnx")) is None


@pytest.mark.parametrize(
    "data",
    [
        b"\x3a\x7f",  # a graph that ends behind the file
        b"\xff" * 40,  # a number without an end
        b"\x3b\x00",  # a group
        b"\x3a\x03\x2a\x05\x00",  # an initializer that ends behind its graph
        b"\x09\x00",  # half a double
    ],
)
def test_what_is_no_message_is_left_to_protobuf(tmp_path: Path, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "SMALLEST", 0)
    (tmp_path / "m.onnx").write_bytes(data)
    assert wire.cut(tmp_path / "m.onnx") is None


@given(cuts=st.data())
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_truncated_file_is_no_other_model(cuts: st.DataObject, tmp_path: Path) -> None:
    whole = matmul([1, 8], random((8, 8)), np.ones(8, np.float32)).SerializeToString()
    end = cuts.draw(st.integers(1, len(whole) - 1))
    (tmp_path / "m.onnx").write_bytes(whole[:end])
    try:
        expected = onnx.ModelProto.FromString(whole[:end])
    except Exception:
        expected = None
    cut = wire.cut(tmp_path / "m.onnx")
    if expected is None:
        assert cut is None
    else:
        assert cut is not None
        assert together(tmp_path / "m.onnx", cut) == whole[:end]


def test_all_tokens_are_found_in_one_pass() -> None:
    class Counted(bytes):
        searched = 0

        def find(self, part: Any, start: Any = 0, end: Any = None) -> int:
            found = bytes.find(self, part, start)
            Counted.searched += (len(self) if found < 0 else found) - start
            return found

    blobs = {wire.token(): wire.Blob(100, i) for i in range(500)}
    tensors = [TensorProto(name="w", raw_data=token) for token in blobs]
    model = Counted(onnx.ModelProto(graph=onnx.GraphProto(initializer=tensors)).SerializeToString())
    pieces = wire.spliced(model, blobs)
    assert [piece.content for piece in pieces if isinstance(piece, wire.Blob)] == list(range(500))
    assert Counted.searched <= len(model)
