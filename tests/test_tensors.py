"""Weights in places where few models keep them are found by whoever reads, counts or writes weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from helpers import assert_close, model, random, run, save, value
from onnx import TensorProto, helper, numpy_helper

from fc2conv_cli import convert, errors, wire
from fc2conv_cli import save as saving
from fc2conv_cli.frontends.onnx_file import load
from fc2conv_cli.graphs import stored_tensors
from fc2conv_cli.serializing import write_model
from fc2conv_cli.tensors import Initializer, held_tensors
from fc2conv_cli.transfer import Traffic


def stored(array: np.ndarray, name: str, location: str | None = None, offset: str = "0") -> onnx.TensorProto:
    """A tensor with a note and metadata; in a file, if one is named."""
    tensor = numpy_helper.from_array(array, name)
    tensor.doc_string = f"about {name}"
    tensor.metadata_props.add(key="key", value=name)
    if location is not None:
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        entries = {"location": location, "offset": offset, "length": str(array.nbytes)}
        for key, entry in entries.items():
            tensor.external_data.add(key=key, value=entry)
    return tensor


def branch_in_a_function(folder: Path) -> Path:
    """A model with a layer and a plain weight in the branch of a function, whose bytes are in ``d.bin``."""
    weight, plain = random((16, 16)), random((4, 16), seed=1)
    (folder / "d.bin").write_bytes(weight.tobytes() * 4 + plain.tobytes() * 4)
    inits = [stored(weight, "w", "d.bin"), stored(plain, "k", "d.bin", str(4 * weight.nbytes))]
    inits[1].dims[0] = 16
    inits[1].external_data[2].value = str(4 * plain.nbytes)
    then_nodes = [helper.make_node("MatMul", ["a", "w"], ["h"], name="fc"), helper.make_node("Add", ["h", "k"], ["t"])]
    then = helper.make_graph(then_nodes, "then", [], [value("t", [16, 16])], inits)
    other = helper.make_graph([helper.make_node("Relu", ["a"], ["e"])], "else", [], [value("e", [16, 16])])
    body = [helper.make_node("If", ["c"], ["b"], then_branch=then, else_branch=other)]
    inputs = [value("x", [16, 16]), value("c", [], TensorProto.BOOL)]
    call = helper.make_node("F", ["x", "c"], ["y"], domain="own")
    proto = model([call], inputs, [value("y", [16, 16])], {}, extra_opsets={"own": 1})
    proto.functions.append(helper.make_function("own", "F", ["a", "c"], ["b"], body, [helper.make_opsetid("", 17)]))
    return save(proto, folder / "model.onnx")


def assert_same(path: Path, out: Path) -> None:
    for c in (True, False):
        x = {"x": random((16, 16), seed=5), "c": np.array(c)}
        assert_close(run(out, x), run(path, x))


def locations(path: Path) -> set[str]:
    tensors = stored_tensors(onnx.load(path, load_external_data=False))
    return {entry.value for tensor in tensors for entry in tensor.external_data if entry.key == "location"}


@pytest.mark.parametrize("share", [False, True])
def test_external_weights_in_a_branch_of_a_function(tmp_path: Path, share: bool) -> None:
    (tmp_path / "below").mkdir()
    path, out = branch_in_a_function(tmp_path / "below"), tmp_path / "out.onnx"
    (tmp_path / "d.bin").write_bytes(bytes(10000))  # not what is meant
    report = convert(path, out, share_weights=share)
    assert report.verified
    assert_same(path, out)
    assert locations(out) == {"below/d.bin" if share else "out.onnx.data"}
    if share:
        assert f"weights are read from {tmp_path / 'below' / 'd.bin'}; keep it" in report.notes
        assert not [note for note in report.notes if "none is shared" in note]


def with_constant(folder: Path, *, layer: bool = False, offset: str = "0") -> Path:
    """A model whose Constant node keeps its tensor in ``c.bin``."""
    array = random((8, 64))
    (folder / "c.bin").write_bytes(array.tobytes())
    constant = helper.make_node("Constant", [], ["k"], value=stored(array, "c", "c.bin", offset))
    constant.attribute[0].doc_string = "about the attribute"
    nodes = [constant, helper.make_node("Add", ["h" if layer else "x", "k"], ["y"])]
    if layer:
        nodes.append(helper.make_node("MatMul", ["x", "w"], ["h"], name="fc"))
        nodes[1], nodes[2] = nodes[2], nodes[1]
    weights = {"w": random((64, 64))} if layer else {}
    return save(model(nodes, [value("x", [8, 64])], [value("y", [8, 64])], weights), folder / "model.onnx")


def test_an_external_constant_goes_along_though_nothing_is_converted(tmp_path: Path) -> None:
    path, out = with_constant(tmp_path), tmp_path / "o" / "out.onnx"
    out.parent.mkdir()
    assert convert(path, out).status == "nothing to convert"
    x = {"x": random((8, 64), seed=3)}
    assert_close(run(out, x), run(path, x))
    assert locations(out) == set()


def test_the_file_of_a_constant_is_no_target(tmp_path: Path) -> None:
    path = with_constant(tmp_path, layer=True)
    before = (tmp_path / "c.bin").read_bytes()
    with pytest.raises(errors.OutputExistsError, match="input itself"):
        convert(path, tmp_path / "c.bin", force=True)
    assert (tmp_path / "c.bin").read_bytes() == before


def test_what_is_written_of_a_constant_survives(tmp_path: Path) -> None:
    report = convert(with_constant(tmp_path, layer=True))
    assert report.output is not None
    (constant,) = [n for n in onnx.load(report.output).graph.node if n.op_type == "Constant"]
    tensor = constant.attribute[0].t
    assert (constant.attribute[0].doc_string, tensor.doc_string) == ("about the attribute", "about c")
    assert tensor.name == "c"
    assert [(p.key, p.value) for p in tensor.metadata_props] == [("key", "c")]


@pytest.mark.parametrize("offset", ["-5", " 4", "", "abc"])
def test_an_offset_that_is_no_number(tmp_path: Path, offset: str) -> None:
    with pytest.raises(errors.ExternalDataError, match=f"weight 'c' has the offset '{offset}' in its external file"):
        load(with_constant(tmp_path, offset=offset))


def everywhere() -> onnx.ModelProto:
    """Tensors in every place, each with metadata; some in a file."""
    inner = helper.make_graph([], "inner", [], [value("i", [8])], [stored(random((8,), seed=1), "i")])
    deep = helper.make_node("Constant", [], ["d"], value=stored(random((8,), seed=2), "d"))
    second = helper.make_graph([deep], "second", [], [value("d", [8])])
    tensors = [stored(random((8,), seed=3), "t1"), stored(random((8,), seed=4), "t2", "t.bin")]
    node = helper.make_node("Odd", ["x"], ["y"], domain="own", bodies=[inner, second], tensors=tensors)
    proto = model([node], [value("x", [8])], [value("y", [8])], {}, extra_opsets={"own": 1})
    proto.graph.initializer.extend([stored(random((8,), seed=5), "w"), stored(random((8,), seed=6), "v", "v.bin")])
    return proto


@pytest.mark.parametrize("smallest", [1, 2**16])
def test_every_tensor_survives_with_its_metadata(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, smallest: int
) -> None:
    monkeypatch.setattr(wire, "SMALLEST", smallest)
    monkeypatch.setattr(wire, "SMALLEST_FILE", smallest)
    (tmp_path / "t.bin").write_bytes(random((8,), seed=4).tobytes())
    (tmp_path / "v.bin").write_bytes(random((8,), seed=6).tobytes())
    loaded = load(save(everywhere(), tmp_path / "m.onnx"))
    assert sorted((h.tensor.name or "", isinstance(h, Initializer)) for h in held_tensors(loaded)) == [
        ("d", False),
        ("i", True),
        ("t1", False),
        ("t2", False),
        ("v", True),
        ("w", True),
    ]
    (tmp_path / "o").mkdir()
    for _ in range(2):  # the model is as it was before
        write_model(loaded, tmp_path / "o" / "m.onnx", None, Traffic())
        found = {tensor.name: tensor for tensor in stored_tensors(onnx.load(tmp_path / "o" / "m.onnx"))}
        for name, seed in {"i": 1, "d": 2, "t1": 3, "t2": 4, "w": 5, "v": 6}.items():
            np.testing.assert_array_equal(numpy_helper.to_array(found[name]), random((8,), seed=seed))
            assert found[name].doc_string == f"about {name}"
            assert [(p.key, p.value) for p in found[name].metadata_props] == [("key", name)]


def test_a_large_tensor_of_a_list_is_cut_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "SMALLEST", 1)
    monkeypatch.setattr(wire, "SMALLEST_FILE", 1)
    cut = wire.cut(save(everywhere(), tmp_path / "m.onnx"))
    assert cut is not None
    assert len(cut.weights) == 4  # i, d, t1 and w; the others are in files


def test_constants_count_towards_what_a_file_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load(with_constant(tmp_path, layer=True))  # 2 kB in a Constant, 16 kB in an initializer
    monkeypatch.setattr(saving, "_PROTOBUF_LIMIT", saving._PROTOBUF_MARGIN + 17 * 1024)
    with saving.draft(loaded, tmp_path / "out.onnx", external=False) as written:
        assert written.data is not None
        assert written.data.stat().st_size == 64 * 64 * 4


def test_constants_that_no_file_holds_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = with_constant(tmp_path, layer=True)
    before = sorted(p.name for p in tmp_path.iterdir())
    monkeypatch.setattr(saving, "_PROTOBUF_LIMIT", saving._PROTOBUF_MARGIN + 2000)
    with pytest.raises(errors.OutputFileError, match=r"its Constant nodes hold 2,0.. bytes, and a file") as caught:
        convert(path)
    assert "initializers" in caught.value.hint
    assert sorted(p.name for p in tmp_path.iterdir()) == before
