"""What the user asks for and the original does not take is an error; what nobody asked for is a note."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from helpers import INT64, model, random, save, value
from onnx import helper

from fc2conv_cli import Settings, verify
from fc2conv_cli.errors import UnrunnableModelError, UsageError
from fc2conv_cli.frontends.input_specs import InputSpec
from fc2conv_cli.verification.feeding import Feeding, Range


def positions() -> onnx.ModelProto:
    """Sequences of at most 8, of 12 words."""
    nodes = [
        helper.make_node("Gather", ["words", "ids"], ["w"]),
        helper.make_node("Shape", ["ids"], ["s"], start=1, end=2),
        helper.make_node("Squeeze", ["s"], ["length"]),
        helper.make_node("Range", ["zero", "length", "one"], ["r"]),
        helper.make_node("Gather", ["positions", "r"], ["p"]),
        helper.make_node("Add", ["w", "p"], ["y"]),
    ]
    constants = {"words": random((12, 4)), "positions": random((8, 4)), "zero": np.array(0), "one": np.array(1)}
    return model(nodes, [value("ids", ["N", "S"], INT64)], [value("y", ["N", "S", 4])], constants)


def run(folder: Path, **feeding: Any) -> Any:
    path = save(positions(), folder / "m.onnx")
    return verify(path, path, settings=Settings(samples=2, feeding=Feeding(**feeding)))


def test_a_size_that_was_asked_for_and_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^--dim S=9: the original does not run there: .*Gather") as caught:
        run(tmp_path, dims={"S": (8, 9)})
    assert caught.value.exit_code == 2
    with pytest.raises(UsageError, match=r"--dim S=9: "):
        run(tmp_path, dims={"N": (2,), "S": (9, 8)})
    with pytest.raises(UnrunnableModelError, match=r"cannot run it at N=2, S=9: "):
        run(tmp_path, specs=(InputSpec("ids", (2, 9), "int64"),))
    assert {case["S"] for case in run(tmp_path, dims={"S": (8, 7)}).cases} == {7, 8}


def test_values_that_were_asked_for_and_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^--range ids:0\.\.12: the original does not take these values: .*Gather"):
        run(tmp_path, ranges={"ids": Range(0, 12)})
    assert run(tmp_path, ranges={"ids": Range(-12, 11)}).passed


def test_sizes_of_which_nothing_was_said_are_a_note(tmp_path: Path) -> None:
    w = random((4, 3, 6, 6))
    image = model(
        [helper.make_node("Conv", ["x", "w"], ["y"])],
        [value("x", ["N", 3, "H", "W"])],
        [value("y", ["N", 4, None, None])],
        {"w": w},
    )
    path = save(image, tmp_path / "m.onnx")
    report = verify(path, path, settings=Settings(feeding=Feeding(dims={"N": (2,), "H": (16,)})))
    assert report.passed
    assert report.cases == ({"W": 8, "N": 2, "H": 16},)
    assert report.notes[0].startswith("the original itself does not run at ")
    with pytest.raises(UsageError, match=r"--dim H=5: "):
        verify(path, path, settings=Settings(feeding=Feeding(dims={"H": (16, 5)})))
