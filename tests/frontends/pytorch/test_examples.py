from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch_files
from torch import nn

from fc2conv_cli.errors import ExportError, UsageError
from fc2conv_cli.frontends.input_specs import parse
from fc2conv_cli.frontends.pytorch.examples import run_once, with_examples
from fc2conv_cli.frontends.pytorch.network import Network

PATH = Path("model.pt")


class Two(nn.Module):
    def forward(self, x: torch.Tensor, ids: torch.Tensor, scale: float = 2.0) -> torch.Tensor:
        return x[:, ids].sum() * scale


def shapes(module: nn.Module, *specs: str) -> list[tuple[int, ...]]:
    network = with_examples(PATH, Network(module), parse(specs))
    return [tuple(t.shape) for t in (*network.args, *network.kwargs.values())]


def test_names_of_parameters_are_given_by_name_and_others_by_position() -> None:
    named = with_examples(PATH, Network(Two()), parse(["ids:2:int64", "x:Nx4"]))
    assert (named.args, list(named.kwargs), named.input_names) == ((), ["ids", "x"], ("ids", "x"))
    assert named.dynamic_shapes["x"][0].__name__ == "N"
    placed = with_examples(PATH, Network(Two()), parse(["a:Nx4", "b:2:int64"]))
    assert (len(placed.args), placed.kwargs, placed.input_names) == (2, {}, ("a", "b"))
    assert placed.dims == ({0: "N"}, {})
    assert placed.args[1].dtype is torch.int64


def test_static_inputs_have_no_dynamic_shapes() -> None:
    assert with_examples(PATH, Network(torch_files.mlp()), parse(["x:1x4"])).dynamic_shapes is None


def test_dynamic_dims_get_a_size_that_the_model_takes() -> None:
    assert shapes(torch_files.mlp(), "x:Nx4") == [(2, 4)]
    assert shapes(nn.Conv2d(1, 1, 3), "x:NxCxHxW".replace("C", "1")) == [(2, 1, 3, 4)]
    assert shapes(nn.Sequential(nn.Conv2d(3, 4, 7, 2), nn.MaxPool2d(8)), "x:Nx3xHxW") == [(2, 3, 32, 32)]


def test_nothing_said_is_answered_with_a_proposal() -> None:
    with pytest.raises(UsageError, match=r"model.pt: the file does not say what the model is fed") as caught:
        with_examples(PATH, Network(nn.Linear(45, 9)), ())
    assert "--input input:1x45" in caught.value.hint


@pytest.mark.parametrize("specs", [["x:1x5"], ["x:1x4:int64"], ["x:1x4", "y:1x4"], ["x:NxM"]])
def test_inputs_that_it_does_not_take(specs: list[str]) -> None:
    with pytest.raises(ExportError, match="the model does not run on the inputs x:") as caught:
        with_examples(PATH, Network(torch_files.mlp()), parse(specs))
    assert "--input input:1x4" in caught.value.hint


def test_lazy_layers_take_their_shape_from_the_example() -> None:
    module = nn.LazyLinear(3)
    run_once(PATH, module, (torch.ones(2, 5),), {})
    assert module.weight.shape == (3, 5)
    with pytest.raises(ExportError, match="does not run on its example inputs: RuntimeError"):
        run_once(PATH, module, (torch.ones(2, 6),), {})
