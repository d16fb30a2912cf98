from __future__ import annotations

import time

import pytest

from fc2conv_cli import timing
from fc2conv_cli.timing import Start, Stopwatch


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


def test_what_a_process_took_before_its_work_is_counted_from_its_first_line(monkeypatch: pytest.MonkeyPatch) -> None:
    start = Start()
    assert start.seconds() == {}  # somebody else's process
    monkeypatch.setattr(timing.time, "process_time", lambda: 0.25)
    monkeypatch.setattr(timing.time, "perf_counter", lambda: 100.0)
    start.note()
    monkeypatch.setattr(timing.time, "perf_counter", lambda: 101.5)
    assert start.seconds() == {"start": 0.25, "imports": 1.5}


def test_seconds_from_before_are_added_to() -> None:
    before = {"start": 0.25, "imports": 1.5}
    watch = Stopwatch(before=before)
    with watch("load"), watch("imports"):
        time.sleep(0.01)
    assert list(watch.seconds) == ["start", "imports", "load"]
    assert watch.seconds["imports"] >= 1.51
    assert before == {"start": 0.25, "imports": 1.5}
