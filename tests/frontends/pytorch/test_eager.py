from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import torch
from torch import nn

from fc2conv_cli.errors import ExportError
from fc2conv_cli.frontends.pytorch.eager import Eager
from fc2conv_cli.frontends.pytorch.network import Network
from fc2conv_cli.verification.runner import Port, RunError

FLOAT = "tensor(float)"


class Nested(nn.Module):
    def forward(self, x: torch.Tensor, k: int, *, y: torch.Tensor) -> dict[str, object]:
        x.add_(1)
        return {"sum": x + y * k, "rest": (x, None, [y])}


def ports(*names: str, kind: str = FLOAT) -> tuple[Port, ...]:
    return tuple(Port(name, kind, None) for name in names)


def eager(module: nn.Module, inputs: str, outputs: str, *args: object, **kwargs: object) -> Eager:
    network = Network(module, args, kwargs)
    return Eager(Path("m.pt"), network, ports(*inputs), ports(*outputs), verbose=False)


def test_tensors_are_found_in_order_wherever_they_are() -> None:
    model = eager(Nested(), "ab", "pqr", torch.ones(2), 3, y=torch.ones(2))
    feeds = {"b": np.array([10, 20], np.float32), "a": np.array([1, 2], np.float32)}
    found = model.run(feeds)
    assert {name: array.tolist() for name, array in found.items()} == {"p": [32, 63], "q": [2, 3], "r": [10, 20]}
    assert feeds["a"].tolist() == [1, 2]  # although the model changes its inputs
    assert model.run(feeds)["q"].tolist() == [2, 3]


def test_numbers_count_if_the_export_has_them_as_outputs() -> None:
    class Counts(nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, int]:
            return x, len(x)

    feeds = {"a": np.ones(2, np.float32)}
    assert eager(Counts(), "a", "yn", torch.ones(2)).run(feeds)["n"].tolist() == 2
    assert list(eager(Counts(), "a", "y", torch.ones(2)).run(feeds)) == ["y"]


def test_bfloat16_and_half_go_in_and_out() -> None:
    for dtype, array in ((torch.bfloat16, ml_dtypes.bfloat16), (torch.float16, np.float16)):
        found = eager(nn.ReLU(), "x", "y", torch.ones(2, dtype=dtype)).run({"x": np.array([-1, 2], array)})
        assert found["y"].dtype == array
        assert found["y"].astype(float).tolist() == [0, 2]


def test_more_or_fewer_tensors_than_the_export_has() -> None:
    with pytest.raises(ExportError, match="is called with 1 tensors, and its export takes 2"):
        eager(nn.ReLU(), "ab", "y", torch.ones(2))
    with pytest.raises(ExportError, match="returns 1 tensors, and its export 2"):
        eager(nn.ReLU(), "a", "yz", torch.ones(2))


def test_inputs_that_it_does_not_take() -> None:
    with pytest.raises(ExportError, match="cannot run the model on its own example inputs: RuntimeError"):
        eager(nn.Linear(3, 2), "a", "y", torch.ones(2, 4))
    with pytest.raises(RunError, match="PyTorch: RuntimeError: mat1 and mat2"):
        eager(nn.Linear(3, 2), "a", "y", torch.ones(2, 3)).run({"a": np.ones((2, 4), np.float32)})


def test_what_the_model_prints_goes_nowhere(capfd: pytest.CaptureFixture[str]) -> None:
    class Loud(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            print("loud")  # noqa: T201
            return x

    eager(Loud(), "a", "y", torch.ones(2)).run({"a": np.ones(2, np.float32)})
    assert capfd.readouterr() == ("", "")
