"""How long views take: made for the first time, and made again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fc2conv_cli import views
from fc2conv_cli.layout.steps import _steps, steps
from fc2conv_cli.sizes import shape_of
from fc2conv_cli.views import View

_SHAPES = [shape_of(["N", 7 * i, 4]) for i in range(1, 101)]


def _forget() -> None:
    for remembered in (views.same, views._movement, views._identity, views._transpose, views._reshape, views._then):
        remembered.cache_clear()
    _steps.cache_clear()


def _chains() -> int:
    count = 0
    for n, *rest in _SHAPES:
        merged = View.reshape((n, *rest), (n, rest[0] * rest[1]))
        turned = View.transpose((n, *rest), (0, 2, 1))
        assert merged is not None
        chain = turned.inverse().then(merged)
        assert chain is not None
        count += len(steps(chain))
    return count


def test_new_views(benchmark: Callable[..., Any]) -> None:
    assert benchmark.pedantic(_chains, setup=_forget, rounds=50) == 2 * len(_SHAPES)  # type: ignore[attr-defined]


def test_views_that_were_made_before(benchmark: Callable[..., Any]) -> None:
    assert benchmark(_chains) == 2 * len(_SHAPES)
