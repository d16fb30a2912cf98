from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from helpers import check, inspect_skips, model, random, value
from onnx import helper


def fused(activation: str, **attributes: float) -> onnx.ModelProto:
    attributes |= {"activation": activation, "transB": 1, "alpha": 0.5}  # type: ignore[dict-item]
    node = helper.make_node("FusedGemm", ["x", "w", "b"], ["y"], name="fc", domain="com.microsoft", **attributes)
    constants = {"w": random((3, 4)), "b": random((3,))}
    return model([node], [value("x", ["N", 4])], [value("y", ["N", 3])], constants, extra_opsets={"com.microsoft": 1})


@pytest.mark.parametrize("activation", ["Relu", "Sigmoid", "Tanh", "Softplus", "Softsign"])
def test_plain_activations(tmp_path: Path, activation: str) -> None:
    assert check(fused(activation), tmp_path, [(1, 4), (3, 4)]) == ["Unsqueeze", "Conv", "Squeeze", activation]


@pytest.mark.parametrize("activation", ["LeakyRelu", "Elu", "ThresholdedRelu"])
def test_activations_with_alpha(tmp_path: Path, activation: str) -> None:
    assert activation in check(fused(activation, activation_alpha=0.3), tmp_path, [(3, 4)])


def test_activations_with_alpha_and_beta(tmp_path: Path) -> None:
    assert "HardSigmoid" in check(fused("HardSigmoid", activation_alpha=0.3, activation_beta=0.4), tmp_path, [(3, 4)])


def test_an_add_after_the_activation_is_no_bias(tmp_path: Path) -> None:
    proto = fused("Relu")
    del proto.graph.node[0].input[2:]
    proto.graph.node[0].output[0] = "z"
    proto.graph.node.append(helper.make_node("Add", ["z", "b"], ["y"]))
    assert "Add" in check(proto, tmp_path, [(3, 4)])


def test_an_activation_that_nobody_knows(tmp_path: Path) -> None:
    ((_, code, sentence),) = inspect_skips(fused("Sinh"), tmp_path)
    assert code == "FC2C-UNSUPPORTED-OP"
    assert "'Sinh'" in sentence
