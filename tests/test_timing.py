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
