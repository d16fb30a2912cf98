from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import pytest
from helpers import SAMPLES

from fc2conv_cli import Settings, convert, verify
from fc2conv_cli.verification.runner import Port, RunError, Runner
from fc2conv_cli.verification.turns import Recorded, Turns


class Doubling:
    """Gives twice what it is given, and refuses what is negative."""

    inputs = (Port("x", "tensor(float)", (1,)),)
    overridable: tuple[Port, ...] = ()
    outputs = (Port("y", "tensor(float)", (1,)),)
    metadata: Mapping[str, str] = {}

    def __init__(self) -> None:
        self.runs = 0

    def run(self, feeds: Mapping[str, Any]) -> dict[str, Any]:
        self.runs += 1
        if (feeds["x"] < 0).any():
            raise RunError("negative")
        return {"y": feeds["x"] * 2}


def test_one_model_is_loaded_at_a_time_and_again_when_it_is_its_turn() -> None:
    loaded: list[str] = []

    def load(name: str) -> Doubling:
        loaded.append(name)
        return Doubling()

    turns, feeds = Turns(), {"x": np.ones(1, np.float32)}
    first = turns.model(lambda: load("first"))
    first.run(feeds)
    second = turns.model(lambda: load("second"))
    second.run(feeds)
    second.run(feeds)
    assert first.run(feeds)["y"] == 2
    assert loaded == ["first", "second", "first"]
    assert first.inputs == Doubling.inputs


@pytest.mark.parametrize("dtype", [np.float32, np.int64, ml_dtypes.bfloat16, np.bool_])
def test_what_ran_is_not_run_again(tmp_path: Path, dtype: Any) -> None:
    model = Doubling()
    recorded = Recorded(model, tmp_path)
    feeds = {"x": np.ones(3, dtype)}
    first, again = recorded.run(feeds)["y"], recorded.run({"x": np.ones(3, dtype)})["y"]
    np.testing.assert_array_equal(first, again)
    assert first.dtype == again.dtype
    assert model.runs == 1


@pytest.mark.parametrize("other", [np.zeros(3, np.float32), np.ones((3, 1), np.float32), np.ones(3, np.float64)])
def test_other_values_shapes_and_types_are_run(tmp_path: Path, other: Any) -> None:
    model = Doubling()
    recorded = Recorded(model, tmp_path)
    recorded.run({"x": np.ones(3, np.float32)})
    assert recorded.run({"x": other})["y"].shape == other.shape
    assert model.runs == 2


def test_what_was_refused_is_refused_again(tmp_path: Path) -> None:
    model = Doubling()
    recorded = Recorded(model, tmp_path)
    for _ in range(2):
        with pytest.raises(RunError, match="negative"):
            recorded.run({"x": -np.ones(1)})
    assert model.runs == 1


@pytest.mark.parametrize("wrong", [False, True])
def test_a_comparison_is_the_same_with_one_model_in_memory(tmp_path: Path, wrong: bool) -> None:
    loads: list[Path] = []
    original, converted = SAMPLES / "digits_cnn.onnx", tmp_path / "c.onnx"
    convert(original, converted)
    if wrong:
        broken = onnx.load(converted)
        weight = next(t for t in broken.graph.initializer if len(t.dims) == 4)
        weight.CopyFrom(
            onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weight) * np.float32(1.01), weight.name)
        )
        onnx.save(broken, converted)
    both = verify(original, converted)
    with pytest.MonkeyPatch.context() as patch:
        right = Runner.__init__

        def noted(self: Runner, path: Path, *more: Any) -> None:
            loads.append(path)
            right(self, path, *more)

        patch.setattr(Runner, "__init__", noted)
        one = verify(original, converted, settings=Settings(low_memory=True))
    assert (
        (one.passed, one.runs, one.cases) == (both.passed, both.runs, both.cases) == (not wrong, both.runs, both.cases)
    )
    assert [(o.worst, o.noise, o.verdict) for o in one.outputs] == [(o.worst, o.noise, o.verdict) for o in both.outputs]
    assert loads[:2] == [original, converted]
    assert (len(loads) == 2) is not wrong  # for the noise of what differs, the original comes back
    assert one.original_cost is not None
