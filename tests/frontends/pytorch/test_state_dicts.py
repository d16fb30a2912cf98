from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch_files
from torch import nn

from fc2conv_cli.errors import PyTorchFileError
from fc2conv_cli.frontends.pytorch.state_dicts import fill, is_state_dict, unwrap

PATH = Path("w.pth")


def weights() -> dict[str, torch.Tensor]:
    return {name: tensor + 1 for name, tensor in torch_files.mlp().state_dict().items()}


def test_what_is_a_state_dict() -> None:
    assert is_state_dict(weights())
    assert is_state_dict({**weights(), "epoch": 3})
    for other in ({}, {"a": 1}, [torch.ones(1)], {1: torch.ones(1)}, {"state_dict": weights()}, torch.ones(1), None):
        assert not is_state_dict(other)


@pytest.mark.parametrize("key", ["state_dict", "model", "model_state_dict"])
def test_checkpoints_are_unwrapped_and_it_is_said(key: str) -> None:
    content, notes = unwrap({key: weights(), "optimizer": {}, "epoch": 7})
    assert content.keys() == weights().keys()  # type: ignore[attr-defined]
    assert notes == (f"the file is a checkpoint; its {key!r} was taken",)
    nested, notes = unwrap({"model": {"state_dict": weights()}})
    assert is_state_dict(nested)
    assert len(notes) == 2


def test_what_is_no_checkpoint_stays() -> None:
    assert unwrap({"a": 1}) == ({"a": 1}, ())
    module, _ = unwrap({"model": torch_files.mlp()})
    assert isinstance(module, nn.Sequential)


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module._orig_mod."])
def test_weights_go_in_with_or_without_a_prefix(prefix: str) -> None:
    module = torch_files.mlp()
    notes = fill(PATH, module, {prefix + name: tensor for name, tensor in weights().items()})
    for name, tensor in module.state_dict().items():
        torch.testing.assert_close(tensor, weights()[name])
    assert len(notes) == prefix.count(".")
    assert all("which was taken away" in note for note in notes)


def test_a_prefix_that_the_module_has_too_stays() -> None:
    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = nn.Linear(2, 2)

    outer = Outer()
    assert fill(PATH, outer, {n: t + 1 for n, t in outer.state_dict().items()}) == ()


def test_what_does_not_fit_is_listed() -> None:
    given = weights()
    given["head.weight"] = given.pop("2.weight")
    with pytest.raises(PyTorchFileError) as caught:
        fill(PATH, torch_files.mlp(), given)
    lines = caught.value.message.splitlines()
    assert lines[1:] == ["  the file lacks 2.weight", "  the model has no head.weight"]
    with pytest.raises(PyTorchFileError, match=r"of another shape: 0.weight is \[2, 2\], the model's \[8, 4\]"):
        fill(PATH, torch_files.mlp(), {**weights(), "0.weight": torch.ones(2, 2)})


def test_long_lists_are_cut() -> None:
    with pytest.raises(PyTorchFileError, match="and 12 more"):
        fill(PATH, torch_files.mlp(), {**weights(), **{f"x{i}": torch.ones(1) for i in range(20)}})


def test_checkpoints_from_before_batchnorm_counted() -> None:
    module = nn.BatchNorm2d(3)
    old = {name: tensor for name, tensor in module.state_dict().items() if name != "num_batches_tracked"}
    assert fill(PATH, module, old) == ()


def test_a_lazy_layer_takes_its_shape_from_the_weights() -> None:
    module = nn.Sequential(nn.LazyLinear(8), nn.ReLU(), nn.LazyLinear(3))
    fill(PATH, module, weights())
    assert module(torch.ones(1, 4)).shape == (1, 3)


def test_names_and_shapes_that_do_not_fit_are_said_at_once() -> None:
    given = {**weights(), "0.weight": torch.ones(2, 2), "extra": torch.ones(1)}
    del given["2.bias"]
    with pytest.raises(PyTorchFileError) as caught:
        fill(PATH, torch_files.mlp(), given)
    assert caught.value.message.splitlines()[1:] == [
        "  the file lacks 2.bias",
        "  the model has no extra",
        "  of another shape: 0.weight is [2, 2], the model's [8, 4]",
    ]


def test_weights_of_another_type_are_cast_and_it_is_said() -> None:
    module = torch_files.mlp()
    given = {name: tensor.half() for name, tensor in weights().items()}
    given["0.bias"] = given["0.bias"].float()
    (note,) = fill(PATH, module, given)
    assert note.startswith("3 of the weights are float16 in the file and float32 in the model")
    assert module[0].weight.dtype == torch.float32


def test_what_is_no_weight_is_left_aside_and_it_is_said() -> None:
    module = torch_files.mlp()
    assert fill(PATH, module, {**weights(), "epoch": 3, "optimizer": {"lr": 1}}) == (
        "the file holds more than weights, which was left aside: epoch, optimizer",
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: torch.nested.nested_tensor([t]), "0.weight is a nested or sparse tensor"),
        (lambda t: t.to_sparse(), "0.weight is a nested or sparse tensor"),
        (lambda t: torch.empty_like(t, device="meta"), "0.weight has a shape and no values"),
        (lambda t: t.to(torch.complex64), "0.weight is complex, the model's is not"),
    ],
)
def test_tensors_that_are_no_plain_numbers(change: Callable[[torch.Tensor], torch.Tensor], words: str) -> None:
    given = {name: change(tensor) for name, tensor in weights().items()}
    with pytest.raises(PyTorchFileError, match=words):
        fill(PATH, torch_files.mlp(), given)


def test_no_weights_at_all() -> None:
    with pytest.raises(PyTorchFileError, match="it holds no weights"):
        fill(PATH, torch_files.mlp(), {})


def test_checkpoints_that_contain_themselves() -> None:
    content: dict[str, object] = {}
    content["state_dict"] = {"model": content}
    assert not is_state_dict(unwrap(content)[0])


def test_methods_of_a_dict_in_a_file_are_not_called() -> None:
    odd = OrderedDict(weights())
    for method in ("get", "items", "keys", "values"):
        odd.__dict__[method] = nn.Linear
    content, _ = unwrap(odd)
    assert is_state_dict(content)
    assert fill(PATH, torch_files.mlp(), content) == ()  # type: ignore[arg-type]
