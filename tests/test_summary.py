from __future__ import annotations

from pathlib import Path

from helpers import SAMPLES, matmul, random, save, value

from fc2conv_cli import inspect
from fc2conv_cli.summary import summarise


def test_it_says_what_the_plan_says() -> None:
    plan = inspect(SAMPLES / "transformer_encoder.onnx").plan
    said = summarise(plan)
    assert [layer.name for layer in said.layers] == [planned.layer.name for planned in plan.layers]
    assert [layer.macs for layer in said.layers] == [planned.layer.macs for planned in plan.layers]
    assert [skip.code for skip in said.skips] == [skip.reason.code for skip in plan.skips]
    assert (said.found, said.units, said.options, said.gap) == (plan.found, plan.units, plan.options, plan.gap)
    assert summarise(said) is said


def test_only_layers_count_as_staying(tmp_path: Path) -> None:
    proto = matmul(["N", 4], random((4, 3)))
    proto.graph.input.append(value("w", [4, 3]))
    said = summarise(inspect(save(proto, tmp_path / "m.onnx")).plan)
    (skip,) = said.staying
    assert (skip.name, skip.code, said.found) == ("fc", "FC2C-OVERRIDABLE-WEIGHT", 1)
    assert "override" in skip.rule
    assert summarise(inspect(SAMPLES / "transformer_encoder.onnx").plan).staying == ()


def test_a_convolution_in_words() -> None:
    layer = summarise(inspect(SAMPLES / "digits_cnn.onnx").plan).layers[0]
    assert layer.convolution == "Conv 4x4"
