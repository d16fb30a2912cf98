from __future__ import annotations

import time

import pytest

from fc2conv_cli.timing import Stopwatch


def test_stages_add_up_even_if_one_fails() -> None:
    watch = Stopwatch()
    for _ in range(2):
        with watch("a"):
            time.sleep(0.01)
    with pytest.raises(ZeroDivisionError), watch("b"):
        raise ZeroDivisionError
    assert list(watch.seconds) == ["a", "b"]
    assert watch.seconds["a"] >= 0.02 > watch.seconds["b"]


def test_of_stages_within_each_other_the_innermost_counts() -> None:
    heard: list[tuple[str, float]] = []
    watch = Stopwatch(lambda stage, done: heard.append((stage, done)))
    with watch("outer"):
        with watch("inner"):
            time.sleep(0.02)
            watch.done(0.5)
        watch.done(1.0)
    assert watch.seconds["outer"] < 0.02 <= watch.seconds["inner"]
    assert heard == [("outer", 0.0), ("inner", 0.0), ("inner", 0.5), ("outer", 0.0), ("outer", 1.0)]
