from __future__ import annotations

import pytest
import torch
from torch import nn

from fc2conv_cli.frontends.pytorch.faults import place_of, unsupported_operator, what_failed


class Eigen(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x * 2
        return torch.linalg.eigvals(x).real


LINE = Eigen.forward.__code__.co_firstlineno + 2


def test_the_line_of_the_users_code_and_no_traceback() -> None:
    with pytest.raises(RuntimeError) as caught:
        Eigen()(torch.ones(2, 3))
    said = what_failed(caught.value)
    assert said.startswith("RuntimeError: linalg")
    assert f"{__file__}:{LINE}: return torch.linalg.eigvals(x).real" in said
    assert "\n" not in said


def test_an_error_without_a_place_or_a_text() -> None:
    assert what_failed(ValueError()) == "ValueError"
    assert what_failed(ValueError("\x1b[96mcoloured\x1b[0m\nand more")) == "ValueError: coloured"


def test_torchscript_says_it_last() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.jit.script(Eigen())(torch.ones(2, 3))
    assert what_failed(caught.value).startswith("RuntimeError: ")
    assert "linalg" in what_failed(caught.value)


def test_the_operator_and_where_it_comes_from() -> None:
    wrapped = RuntimeError("Failed to convert")
    wrapped.__cause__ = RuntimeError(
        "No ONNX function found for <OpOverload(op='aten.linalg_eig', overload='default')>."
    )
    assert unsupported_operator(wrapped) == "aten.linalg_eig"
    program = torch.export.export(Eigen(), (torch.ones(2, 2),))
    assert place_of("aten.linalg_eig", program) == f"{__file__}:{LINE}"
    assert place_of("aten.nonsense", program) is None
    assert place_of("aten::linalg_eigvals", torch.jit.script(Eigen())) == f"{__file__}:{LINE}"
    assert unsupported_operator(ValueError("something else")) is None
