"""How long the choice of layouts takes: the whole of it, and the elimination alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from deep import write_chain

from fc2conv_cli import inspect
from fc2conv_cli.layout.elimination import Factor, minimise

_LAYERS = 200


def test_plan_of_a_chain(benchmark: Callable[..., Any], tmp_path: Path) -> None:
    model = write_chain(tmp_path / "chain.onnx", _LAYERS)
    assert len(benchmark(inspect, model).plan.layers) == _LAYERS


def test_elimination_of_a_chain(benchmark: Callable[..., Any]) -> None:
    count = 1000
    factors = [Factor((i, i + 1), np.array([[0.0, 1.0], [1.0, 0.0]])) for i in range(count - 1)]
    assert benchmark(minimise, [2] * count, [*factors, Factor((0,), np.array([1.0, 0.0]))]).cost == 0


def test_elimination_around_a_hub(benchmark: Callable[..., Any]) -> None:
    count = 1000
    factors = [Factor((0, i), np.array([[1.0, 2.0], [3.0, 0.0]])) for i in range(1, count)]
    assert benchmark(minimise, [2] * count, factors).cost == 0
