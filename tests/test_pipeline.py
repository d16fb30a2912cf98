"""The library's face, and that a wrong conversion is never written."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from helpers import SAMPLES, converted, matmul, model, names, ops, random, save, value
from onnx import helper

import fc2conv_cli
from fc2conv_cli import Settings, convert, errors, inspect, verify
from fc2conv_cli.pipeline import conversion

BREAKS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "one weight": lambda a: a * np.where(a == a.max(), 1.05, 1).astype(a.dtype),
    "swapped channels": lambda a: a[:, ::-1],
    "flipped kernel": lambda a: a[:, :, ::-1, ::-1],
}


def spoil(monkeypatch: pytest.MonkeyPatch, how: Callable[[ir.Model], None]) -> None:
    """Break what is written, as a fault in the rewrite would."""
    right = conversion.rewrite

    def wrong(model: ir.Model, analysis: Any) -> tuple[str, ...]:
        notes = right(model, analysis)
        how(model)
        return notes

    monkeypatch.setattr(conversion, "rewrite", wrong)


def first_conv(model: ir.Model) -> ir.Node:
    return next(n for n in model.graph if n.op_type == "Conv" and "fc2conv.from" in n.metadata_props)


@pytest.mark.parametrize("name", BREAKS)
def test_wrong_weights_are_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def how(model: ir.Model) -> None:
        weight = first_conv(model).inputs[1]
        assert weight is not None
        assert weight.const_value is not None
        weight.const_value = ir.tensor(np.ascontiguousarray(BREAKS[name](weight.const_value.numpy())), name=weight.name)

    spoil(monkeypatch, how)
    _refused(tmp_path)


def test_a_missing_bias_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(monkeypatch, lambda model: first_conv(model).resize_inputs(2))
    _refused(tmp_path)


def test_a_renamed_output_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def how(model: ir.Model) -> None:
        model.graph.outputs[0].name = "other"

    spoil(monkeypatch, how)
    _refused(tmp_path)


def _refused(folder: Path) -> None:
    report = convert(SAMPLES / "digits_cnn.onnx", folder / "out.onnx")
    assert report.status == "different"
    assert not report.passed
    assert report.output is None
    assert names(folder) == []


def test_a_failed_result_is_kept_under_another_name_on_demand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(monkeypatch, lambda model: first_conv(model).resize_inputs(2))
    report = convert(SAMPLES / "digits_cnn.onnx", tmp_path / "out.onnx", keep_failed=True)
    assert report.failed == tmp_path / "out.failed.onnx"
    assert names(tmp_path) == ["out.failed.onnx"]


def test_a_failed_result_overwrites_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "m.failed.onnx"
    source.write_bytes((SAMPLES / "digits_cnn.onnx").read_bytes())
    spoil(monkeypatch, lambda model: first_conv(model).resize_inputs(2))
    report = convert(source, tmp_path / "m.onnx", keep_failed=True)
    assert report.failed == tmp_path / "m.failed.1.onnx"
    assert source.read_bytes() == (SAMPLES / "digits_cnn.onnx").read_bytes()


def test_a_model_that_the_checker_refuses_is_a_fault_and_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def how(model: ir.Model) -> None:
        first_conv(model).op_type = "Comv"

    spoil(monkeypatch, how)
    with pytest.raises(AssertionError, match="refuses"):
        convert(SAMPLES / "digits_cnn.onnx", tmp_path / "out.onnx")
    assert names(tmp_path) == []


def test_a_wrong_result_is_written_only_unverified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(monkeypatch, lambda model: first_conv(model).resize_inputs(2))
    report = convert(SAMPLES / "digits_cnn.onnx", tmp_path / "out.onnx", verify=False)
    assert report.status == "written"
    assert report.verification is None
    assert not verify(SAMPLES / "digits_cnn.onnx", tmp_path / "out.onnx").passed


def test_inspect_and_dry_run_show_what_convert_does(tmp_path: Path) -> None:
    source = SAMPLES / "transformer_encoder.onnx"
    inspection = inspect(source)
    inspected = inspection.plan
    planned = convert(source, dry_run=True)
    done = convert(source, tmp_path / "out.onnx")
    layers = [p.layer.name for p in inspected.layers]
    assert layers == [p.layer.name for p in planned.plan.layers] == [p.layer.name for p in done.plan.layers]
    assert planned.status == "planned"
    assert planned.output is None
    assert planned.layout_after == inspection.layout_after == done.layout_after
    assert not (SAMPLES / "transformer_encoder.conv.onnx").exists()


def test_what_inspect_says_of_a_layer(tmp_path: Path) -> None:
    path = save(matmul(["N", "S", 8], random((8, 5)), random((5,))), tmp_path / "m.onnx")
    (planned,) = inspect(path).plan.layers
    layer = planned.layer
    assert (layer.name, layer.spelling) == ("fc", "MatMul+Add")
    assert (layer.contraction.in_features, layer.contraction.out_features) == (8, 5)
    assert layer.parameters == 8 * 5 + 5
    assert str(layer.macs) == "40*N*S"


def test_converting_twice_changes_nothing(tmp_path: Path) -> None:
    once = convert(SAMPLES / "vgg_head.onnx", tmp_path / "once.onnx").output
    assert once is not None
    twice = convert(once, tmp_path / "twice.onnx")
    assert twice.status == "nothing to convert"
    assert onnx.load(once) == onnx.load(tmp_path / "twice.onnx")


def test_names_that_are_taken_are_not_used_again(tmp_path: Path) -> None:
    taken = ["fc.weight", "fc.bias", "fc_output", "fc/unsqueeze", "fc/unsqueeze_output", "fc2conv_int64_2_3"]
    nodes = [helper.make_node("Relu", ["x"], [taken[0]], name=taken[3])]
    for i, (a, b) in enumerate(itertools.pairwise(taken)):
        nodes.append(helper.make_node("Relu", [a], [b], name=f"n{i}"))
    nodes.append(helper.make_node("Gemm", [taken[-1], "w", "b"], ["y"], name="fc"))
    proto = model(nodes, [value("x", ["N", 4])], [value("y", ["N", 3])], {"w": random((4, 3)), "b": random((3,))})
    path, _ = converted(proto, tmp_path)
    after = onnx.load(path).graph
    values = [o for n in after.node for o in n.output] + [t.name for t in after.initializer]
    assert len(set(values)) == len(values)
    assert len({n.name for n in after.node}) == len(after.node)


def test_layers_without_names(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "a"], ["h"]),
        helper.make_node("MatMul", ["h", "b"], ["i"], name="named"),
        helper.make_node("MatMul", ["i", "c"], ["y"]),
    ]
    proto = model(nodes, [value("x", ["N", 4])], [value("y", ["N", 4])], {n: random((4, 4)) for n in "abc"})
    path, report = converted(proto, tmp_path)
    assert [p.layer.name for p in report.plan.layers] == ["MatMul:h", "named", "MatMul:y"]
    assert ops(path).count("Conv") == 3


def test_a_weight_of_two_layers(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"], name="a"),
        helper.make_node("MatMul", ["h", "w"], ["y"], name="b"),
    ]
    proto = model(nodes, [value("x", ["N", 4])], [value("y", ["N", 4])], {"w": random((4, 4))})
    path, _ = converted(proto, tmp_path)
    assert ops(path).count("Conv") == 2
    assert len([t for t in onnx.load(path).graph.initializer if t.name.endswith(".weight")]) == 1
    assert "w" not in {t.name for t in onnx.load(path).graph.initializer}


def test_a_weight_that_two_layers_read_differently_is_stored_twice(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Gemm", ["x", "w"], ["h"], name="a"),
        helper.make_node("Gemm", ["h", "w"], ["y"], name="b", transB=1),
    ]
    proto = model(nodes, [value("x", ["N", 4])], [value("y", ["N", 4])], {"w": random((4, 4))})
    path, report = converted(proto, tmp_path)
    assert report.verified
    assert len([t for t in onnx.load(path).graph.initializer if t.name.endswith(".weight")]) == 2


def test_patterns_may_be_one_string(tmp_path: Path) -> None:
    path = save(matmul(["N", 4], random((4, 3))), tmp_path / "m.onnx")
    assert len(inspect(path, only="fc").plan.layers) == 1
    assert len(inspect(path, skip="f*").plan.layers) == 0


def test_what_is_no_layer_is_no_match(tmp_path: Path) -> None:
    with pytest.raises(errors.UsageError, match="node_MatMul_76"):
        inspect(SAMPLES / "transformer_encoder.onnx", only=["node_MatMul_76"])


def test_a_stale_output_is_pointed_out(tmp_path: Path) -> None:
    relu = model([helper.make_node("Relu", ["x"], ["y"])], [value("x", [2])], [value("y", [2])])
    path = save(relu, tmp_path / "m.onnx")
    (tmp_path / "m.conv.onnx").write_text("old")
    assert "does not come from this run" in convert(path).notes[0]


def test_unverified_is_not_verified(tmp_path: Path) -> None:
    path = save(matmul(["N", 4], random((4, 3))), tmp_path / "m.onnx")
    assert convert(path, tmp_path / "a.onnx").verified
    unverified = convert(path, tmp_path / "b.onnx", verify=False)
    assert unverified.passed
    assert not unverified.verified
    assert not convert(path, dry_run=True).verified


def test_an_output_given_twice_and_read_by_a_subgraph(tmp_path: Path) -> None:
    branches = [
        helper.make_graph([helper.make_node(op, ["y"], [f"{op}_out"])], op, [], [value(f"{op}_out", ["N", 3])])
        for op in ("Relu", "Neg")
    ]
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["y"], name="fc"),
        helper.make_node("If", ["cond"], ["z"], then_branch=branches[0], else_branch=branches[1]),
    ]
    inputs = [value("x", ["N", 4]), value("cond", [], onnx.TensorProto.BOOL)]
    proto = model(nodes, inputs, [value("y", ["N", 3]), value("z", ["N", 3])], {"w": random((4, 3))})
    path, report = converted(proto, tmp_path)
    assert report.verification.passed
    assert "Conv" in ops(path)


def test_patterns_that_match_nothing_are_refused(tmp_path: Path) -> None:
    path = save(matmul(["N", 4], random((4, 3))), tmp_path / "m.onnx")
    with pytest.raises(errors.UsageError, match=r"--only 'fd\*' matches no layer") as caught:
        convert(path, only=["fd*"])
    assert "fc" in caught.value.hint


def test_settings_reach_the_comparison(tmp_path: Path) -> None:
    path = save(matmul(["N", 4], random((4, 3))), tmp_path / "m.onnx")
    report = convert(path, settings=Settings(samples=2, seed=5, atol=0.5, rtol=0.25)).verification
    assert report is not None
    assert (report.runs, report.seed) == (5, 5)
    assert (report.outputs[0].tolerance.atol, report.outputs[0].tolerance.rtol) == (0.5, 0.25)
    assert replace(report, seed=0) != report


def test_a_file_that_only_onnxruntime_accepts_is_converted_with_a_note(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("LayerNormalization", ["x", "g"], ["n"]),
        helper.make_node("MatMul", ["n", "w"], ["y"], name="fc"),
    ]
    graph = helper.make_graph(
        nodes, "old", [value("x", ["N", 4])], [value("y", ["N", 3])],
        [onnx.numpy_helper.from_array(random((4,)), "g"), onnx.numpy_helper.from_array(random((4, 3)), "w")],
    )  # fmt: skip
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 12)], ir_version=7)
    path, report = converted(proto, tmp_path)
    assert "Conv" in ops(path)
    assert "does not pass onnx.checker, but onnxruntime loads it" in report.notes[0]


def test_the_package_has_three_functions_and_what_they_take() -> None:
    functions = {"convert", "inspect", "verify"}
    assert set(fc2conv_cli.__all__) == {"FC2ConvError", "Loading", "Settings", "Wishes", "__version__", *functions}
    assert fc2conv_cli.Wishes(io="nchw").io == "nchw"
    with pytest.raises(AttributeError):
        fc2conv_cli.no_such_thing  # noqa: B018
