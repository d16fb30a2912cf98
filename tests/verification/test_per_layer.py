"""Layer by layer: a right conversion agrees everywhere, and of a wrong one the layer that is wrong is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from helpers import SAMPLES, converted, gemm, matmul, model, random, save, value
from layer_models import largest_off, noted, pair, with_wrong_weight, without_notes
from networks import Net, encoder, mlp
from onnx import helper
from quantised import quantise_static

from fc2conv_cli import Settings, verify
from fc2conv_cli.layout.solve import Wishes
from fc2conv_cli.verification.feeding import Feeding
from fc2conv_cli.verification.layer_report import LayersReport
from fc2conv_cli.verification.per_layer import compare_layers
from fc2conv_cli.verification.report import VerifyReport

WISHES = {
    "auto": Wishes(),
    "isolated": Wishes(spread=False),
    "batch": Wishes(tokens="batch"),
    "nchw": Wishes(io="nchw", decompose_layernorm=True),
}


def layers(report: VerifyReport) -> LayersReport:
    assert report.per_layer is not None
    return report.per_layer


def assert_right(report: LayersReport, names: list[str]) -> None:
    assert [row.name for row in report.layers] == names
    assert report.basis == "notes"
    assert report.runs
    for row in report.layers:
        assert row.entire is not None, row
        assert row.single is not None, row
        assert not row.differs, row
        assert not row.notes, row
    assert report.first is None


@pytest.mark.parametrize("wishes", WISHES)
@pytest.mark.parametrize("sample", sorted(p.stem for p in SAMPLES.glob("*.onnx") if ".conv" not in p.name))
def test_every_sample_agrees_layer_by_layer(tmp_path: Path, sample: str, wishes: str) -> None:
    path, report = converted(onnx.load(SAMPLES / f"{sample}.onnx"), tmp_path, wishes=WISHES[wishes], verify=False)
    names = [planned.layer.name for planned in report.plan.layers]
    assert_right(compare_layers(tmp_path / "model.onnx", path, Settings()), names)


@pytest.mark.parametrize("k", range(5))
@pytest.mark.parametrize("wishes", WISHES)
def test_the_layer_with_a_wrong_weight_is_named(tmp_path: Path, k: int, wishes: str) -> None:
    original, right = pair(mlp(5), tmp_path, wishes=WISHES[wishes])
    name = noted(onnx.load(right))[k].name
    report = verify(original, with_wrong_weight(right, name, lambda a: a * 1.01), per_layer=True)
    assert not report.passed
    rows = layers(report).layers
    assert layers(report).first == rows[k]
    for i, row in enumerate(rows):
        assert row.entire is not None
        assert row.single is not None
        assert row.single.passed == (i != k)
        assert row.diverges == (i == k)
        assert row.entire.passed == (i < k)  # the fault is carried on from there
        assert i == k or row.single.max_relative < 1e-5


def test_the_wrong_layer_of_a_transformer_is_named_though_later_ones_differ(tmp_path: Path) -> None:
    original, right = pair(encoder(2), tmp_path)
    names = [node.name for node in noted(onnx.load(right))]
    found = layers(verify(original, with_wrong_weight(right, names[3]), per_layer=True))
    assert found.first == found.layers[3]
    assert [row.name for row in found.layers if row.diverges] == [found.layers[3].name]
    assert sum(row.differs for row in found.layers) > 1


def test_a_fault_between_layers_is_placed_before_the_first_that_differs(tmp_path: Path) -> None:
    original, right = pair(mlp(3), tmp_path)
    proto = onnx.load(right)
    next(node for node in proto.graph.node if node.op_type == "Sigmoid").op_type = "Tanh"
    found = layers(verify(original, save(proto, tmp_path / "wrong.onnx"), per_layer=True))
    assert not any(row.diverges for row in found.layers)
    assert found.first == found.layers[2]
    assert found.first.entire is not None
    assert not found.first.entire.passed


def test_a_wrong_bias_and_a_wrong_arrangement(tmp_path: Path) -> None:
    original, right = pair(mlp(2), tmp_path)
    name = noted(onnx.load(right))[1].name
    for how, operand in ((lambda a: np.roll(a, 1), 2), (lambda a: a[::-1], 1)):
        found = layers(verify(original, with_wrong_weight(right, name, how, operand), per_layer=True))
        assert found.first == found.layers[1]


@pytest.mark.parametrize("wishes", WISHES)
def test_quantised_layers_compare_integers(tmp_path: Path, wishes: str) -> None:
    proto = quantise_static("digits_cnn", (4, 1, 8, 8), tmp_path, "QUInt8", "QInt8")
    original, right = pair(proto, tmp_path, wishes=WISHES[wishes])
    found = compare_layers(original, right, Settings())
    assert len(found.layers) == 2
    assert {row.dtype for row in found.layers} == {"uint8"}
    assert found.agrees, found
    for row in found.layers:
        assert row.single is not None
        assert row.single.max_abs == 0


def test_a_wrong_integer_weight_is_named(tmp_path: Path) -> None:
    proto = quantise_static("mlp", (4, 64), tmp_path, "QUInt8", "QInt8")
    original, right = pair(proto, tmp_path)
    made = onnx.load(right)
    makers = {name: node for node in made.graph.node for name in node.output}
    conv = [node for node in made.graph.node if node.op_type == "Conv"][1]
    dequantise = makers[conv.input[1]]
    wrong = with_wrong_weight(right, dequantise.name, lambda a: np.roll(a, 1, axis=0), operand=0)
    found = layers(verify(original, wrong, per_layer=True))
    assert found.first == found.layers[1]
    assert found.first.single is not None
    assert found.first.single.max_abs >= 1


def with_external_data(proto: onnx.ModelProto, folder: Path) -> Path:
    folder.mkdir()
    onnx.save(proto, folder / "model.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)
    return folder / "model.onnx"


def test_weights_in_another_file_are_read_from_there(tmp_path: Path) -> None:
    from fc2conv_cli import convert

    original = with_external_data(mlp(3), tmp_path / "a")
    (tmp_path / "b").mkdir()
    right = tmp_path / "b" / "out.onnx"
    assert convert(original, right).data is not None
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
    assert_right(compare_layers(original, right, Settings()), ["Gemm0", "MatMul2", "Gemm5"])
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")} == before  # nothing is written beside them
    data = tmp_path / "b" / "out.onnx.data"
    tensor = {t.name: t for t in onnx.load(right, load_external_data=False).graph.initializer}
    weight = tensor[
        next(n for n in onnx.load(right, load_external_data=False).graph.node if n.name == "MatMul2").input[1]
    ]
    offset = int(next(entry.value for entry in weight.external_data if entry.key == "offset"))
    content = bytearray(data.read_bytes())
    content[offset : offset + 4] = np.float32(5).tobytes()
    data.write_bytes(content)
    found = compare_layers(original, right, Settings())
    assert found.first is not None
    assert found.first.name == "MatMul2"


def by_another_tool(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Each Gemm as Unsqueeze, Conv and Squeeze, with the names that it had."""
    made = onnx.ModelProto()
    made.CopyFrom(proto)
    del made.graph.node[:]
    made.graph.initializer.append(onnx.numpy_helper.from_array(np.array([2, 3]), "axes"))
    for node in proto.graph.node:
        if node.op_type != "Gemm":
            made.graph.node.append(node)
            continue
        x, w, *bias = node.input
        tensor = next(t for t in made.graph.initializer if t.name == w)
        kernel = np.ascontiguousarray(onnx.numpy_helper.to_array(tensor).T[:, :, None, None])
        tensor.CopyFrom(onnx.numpy_helper.from_array(kernel, w))
        (y,) = node.output
        made.graph.node.extend(
            [
                helper.make_node("Unsqueeze", [x, "axes"], [f"{x}_4d"]),
                helper.make_node("Conv", [f"{x}_4d", w, *bias], [f"{y}_4d"], name=node.name),
                helper.make_node("Squeeze", [f"{y}_4d", "axes"], [y]),
            ]
        )
    return made


def test_a_file_of_another_tool_is_compared_by_name(tmp_path: Path) -> None:
    proto = mlp(4)
    original, other = save(proto, tmp_path / "a.onnx"), save(by_another_tool(proto), tmp_path / "b.onnx")
    found = layers(verify(original, other, per_layer=True))
    assert found.basis == "names"
    assert found.agrees
    assert "the float values that have the same name and shape in both" in found.notes[0]
    assert [row.name for row in found.layers] == [f"v{i}" for i in range(10)] + ["y"]
    assert all(row.single is None and row.entire is not None for row in found.layers)
    found = layers(verify(original, with_wrong_weight(other, "Gemm5"), per_layer=True))
    assert found.first is not None
    assert found.first.name == "v5"
    assert (found.first.spelling, found.first.becomes) == ("Gemm", "Squeeze")


def test_our_own_file_without_its_notes_is_compared_by_name(tmp_path: Path) -> None:
    original, right = pair(mlp(3), tmp_path)
    found = layers(verify(original, without_notes(right), per_layer=True))
    assert found.basis == "names"
    assert "y" in {row.name for row in found.layers}
    assert found.agrees


def test_nothing_corresponds(tmp_path: Path) -> None:
    ours = save(matmul(["N", 4], random((4, 3)), random((3,))), tmp_path / "a.onnx")
    other = matmul(["N", 4], random((4, 3)), random((3,)))
    for node in other.graph.node:
        node.output[:] = [f"{name}_else" for name in node.output]
        node.input[:] = [f"{name}_else" if name == "z" else name for name in node.input]
    other.graph.output[0].name = "y_else"
    found = layers(verify(ours, save(other, tmp_path / "b.onnx"), per_layer=True))
    assert found.basis == "nothing"
    assert found.layers == ()
    assert "nothing to compare by layer" in found.notes[0]


def test_where_the_converted_model_does_not_run_the_rest_is_compared(tmp_path: Path) -> None:
    original, right = pair(mlp(2), tmp_path)
    proto = onnx.load(right)
    proto.graph.node.append(helper.make_node("Reshape", ["y", "shape"], ["frozen"]))
    proto.graph.node.append(helper.make_node("Reshape", ["frozen", "shape"], ["y2"]))
    proto.graph.initializer.append(onnx.numpy_helper.from_array(np.array([1, 16]), "shape"))
    for node in proto.graph.node[:-2]:
        node.output[:] = ["y_0" if name == "y" else name for name in node.output]
    proto.graph.node[-2].input[0] = "y_0"
    proto.graph.node[-1].output[0] = "y"
    found = compare_layers(original, save(proto, tmp_path / "wrong.onnx"), Settings())
    assert found.runs == 1
    assert found.agrees
    assert "where the converted model does not run" in found.notes[0]


def test_a_model_that_does_not_load_is_said_so(tmp_path: Path) -> None:
    original, right = pair(mlp(2), tmp_path)
    proto = onnx.load(right)
    proto.graph.node[1].op_type = "Nonsense"
    report = verify(original, save(proto, tmp_path / "wrong.onnx"), per_layer=True)
    assert not report.passed
    assert layers(report).layers == ()
    assert "cannot load a model" in layers(report).notes[-1]


def test_harmless_changes_leave_every_layer_measured(tmp_path: Path) -> None:
    original, right = pair(mlp(3), tmp_path)
    proto = onnx.load(right)
    inner = {name: f"r{i}" for i, node in enumerate(proto.graph.node) for name in node.output if name != "y"}
    for i, node in enumerate(proto.graph.node):
        node.input[:] = [inner.get(name, name) for name in node.input]
        node.output[:] = [inner.get(name, name) for name in node.output]
        node.name = f"node{i}"
    del proto.graph.value_info[:]
    conv = noted(proto)[1]
    proto.graph.node.insert(
        [n.output[0] for n in proto.graph.node].index(conv.output[0]),
        helper.make_node("Identity", [conv.input[0]], ["passed_on"]),
    )
    noted(proto)[1].input[0] = "passed_on"
    assert_right(
        compare_layers(original, save(proto, tmp_path / "other.onnx"), Settings()), ["Gemm0", "MatMul2", "Gemm5"]
    )


def test_rounding_that_grows_inside_is_told_from_a_fault(tmp_path: Path) -> None:
    """Attention that is nearly a choice makes much of the last bits; the original's own do as much."""
    original, right = pair(encoder(3, width=384, heads=6), tmp_path, verify=False)
    strict = Settings(atol=0.0, rtol=1.5e-6, samples=1)
    found = compare_layers(original, right, strict)
    assert any(row.is_rounding for row in found.layers)
    assert found.agrees
    wrong = with_wrong_weight(right, noted(onnx.load(right))[7].name, lambda array: array * np.float32(1.001))
    found = compare_layers(original, wrong, strict)
    assert found.first == found.layers[7]
    assert any(row.differs for row in found.layers[8:])


def test_a_term_that_is_computed_comes_from_the_original(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Gemm", ["x", "w"], ["a"], name="first"),
        helper.make_node("Sigmoid", ["a"], ["c"]),
        helper.make_node("Gemm", ["x", "w", "c"], ["y"], name="second"),
    ]
    proto = model(nodes, [value("x", ["N", 8])], [value("y", ["N", 8])], {"w": random((8, 8))})
    original, right = pair(proto, tmp_path)
    assert_right(compare_layers(original, right, Settings()), ["first", "second"])


def test_layers_that_are_outputs_and_a_value_of_lower_precision(tmp_path: Path) -> None:
    net = Net()
    net.nodes.append(helper.make_node("MatMul", ["x", net.constant(random((4, 4)))], ["first"], name="one"))
    net.nodes.append(helper.make_node("MatMul", ["first", net.constant(random((4, 4)))], ["y"], name="two"))
    proto = model(net.nodes, [value("x", ["N", "S", 4])], [value("first", None), value("y", None)], net.constants)
    for wishes in WISHES.values():
        original, right = pair(proto, tmp_path, wishes=wishes)
        assert_right(compare_layers(original, right, Settings()), ["one", "two"])
    half = matmul(["N", 64], random((64, 8), np.float16), dtype=onnx.TensorProto.FLOAT16)
    original, right = pair(half, tmp_path)
    (row,) = compare_layers(original, right, Settings()).layers
    assert (row.dtype, row.tolerance.rtol, row.differs) == ("float16", 5e-3, False)


def test_tolerances_of_the_user_hold(tmp_path: Path) -> None:
    original, right = pair(mlp(2), tmp_path)
    wrong = with_wrong_weight(right, noted(onnx.load(right))[0].name)
    assert compare_layers(original, wrong, Settings(rtol=0.5)).agrees
    assert not compare_layers(original, wrong, Settings()).agrees


def test_what_only_the_reference_evaluator_runs(tmp_path: Path) -> None:
    proto = gemm(["N", 4], random((4, 3), np.float64), dtype=onnx.TensorProto.DOUBLE)
    original, right = pair(proto, tmp_path, allow_unverifiable=True)
    report = verify(original, right, per_layer=True, settings=Settings(reference=True))
    assert report.passed
    assert layers(report).engine == "ONNX's reference evaluator"
    assert_right(layers(report), ["fc"])
    wrong = with_wrong_weight(right, "fc", largest_off)
    assert not layers(verify(original, wrong, per_layer=True, settings=Settings(reference=True))).agrees


def test_converted_twice(tmp_path: Path) -> None:
    source = save(mlp(3), tmp_path / "model.onnx")
    from fc2conv_cli import convert

    convert(source, tmp_path / "half.onnx", only="MatMul2")
    convert(tmp_path / "half.onnx", tmp_path / "whole.onnx")
    found = compare_layers(source, tmp_path / "whole.onnx", Settings())
    assert [row.name for row in found.layers] == ["Gemm0", "MatMul2", "Gemm5"]
    assert all(row.entire is not None for row in found.layers)
    assert found.layers[0].single is not None  # what a later layer read in the first result may be in no other file
    assert found.agrees
    found = compare_layers(tmp_path / "half.onnx", tmp_path / "whole.onnx", Settings())
    assert found.agrees
    assert {"Gemm0", "Gemm5"} <= {row.name for row in found.layers}


def test_an_original_from_pytorch(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from fc2conv_cli import convert

    net = torch.nn.Sequential(torch.nn.Linear(8, 6), torch.nn.ReLU(), torch.nn.Linear(6, 3)).eval()
    x = (torch.randn(2, 8),)
    convert(net, tmp_path / "out.onnx", example_inputs=x)
    found = layers(verify(net, tmp_path / "out.onnx", example_inputs=x, per_layer=True))
    assert len(found.layers) == 2
    assert found.agrees
    assert all(row.single is not None for row in found.layers)


def test_nothing_is_measured_unless_asked_for(tmp_path: Path) -> None:
    assert verify(*pair(mlp(1), tmp_path)).per_layer is None


def one_row_in_front(factor: float) -> onnx.ModelProto:
    """An embedding whose last row is times `factor`, and a layer behind it."""
    table = random((60, 4))
    table[59] *= np.float32(factor)
    nodes = [
        helper.make_node("Gather", ["words", "ids"], ["e"]),
        helper.make_node("MatMul", ["e", "w"], ["y"], name="fc"),
    ]
    ports = [value("ids", ["N", 2], onnx.TensorProto.INT64)], [value("y", ["N", 2, 3])]
    return model(nodes, *ports, {"words": table, "w": random((4, 3))})


def test_the_inputs_on_which_outputs_differ_are_compared_layer_by_layer(tmp_path: Path) -> None:
    original, right = pair(one_row_in_front(1), tmp_path)
    (tmp_path / "wrong").mkdir()
    _, path = pair(one_row_in_front(1.5), tmp_path / "wrong")
    ids = np.arange(60).reshape(30, 1, 2)  # the last of them shows it
    np.savez(tmp_path / "in.npz", ids=ids)
    settings = Settings(samples=2, feeding=Feeding(tmp_path / "in.npz"))
    report = verify(original, path, per_layer=True, settings=settings)
    assert not report.passed
    assert [feeds["ids"].tolist() for feeds in report.farthest] == [[[58, 59]]]
    found = layers(report)
    assert (found.runs, found.tells_all) == (3, True)
    assert found.first is not None
    assert "the fault is in what stands before this one" in str(report)
    same = verify(original, right, per_layer=True, settings=settings)
    assert same.farthest == ()
    assert not layers(same).tells_all


def test_a_fault_behind_the_last_layer_is_said_to_be_there(tmp_path: Path) -> None:
    original, right = pair(mlp(2), tmp_path)
    proto = onnx.load(right)
    last = proto.graph.output[0].name
    maker = next(node for node in proto.graph.node if last in node.output)
    maker.output[list(maker.output).index(last)] = "before"
    proto.graph.node.append(helper.make_node("Mul", ["before", "more"], [last]))
    proto.graph.initializer.append(onnx.numpy_helper.from_array(np.float32(1.01), "more"))
    report = verify(original, save(proto, tmp_path / "behind.onnx"), per_layer=True)
    assert not report.passed
    assert layers(report).tells_all
    assert "the fault is behind the last layer, or beside all of them" in str(report)
