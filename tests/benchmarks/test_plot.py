"""What the picture shows; that it is drawn, where matplotlib is."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from benchmarks import plot
from benchmarks.results import Results, Row, save

COPY = Row("m", "cp", 5, seconds=[0.1], peaks=[10**7], ratios=[1.0])
GOOD = Row(
    "m", "fc2conv", 5, "", 4, 0, 2, 1.25, [0.5, 0.3, 0.4], [0.2] * 3, [3 * 10**8, 10**8, 2 * 10**8], [5.0, 1.5, 4.0]
)
HALF = Row("n", "fc2conv", 5, "", 4, 2, 2, 1.25, [1.0], [1.0], [10**8], [8.0])
WRONG = Row("n", "peer", 5, "wrong: deviates", 4, 0, 8, None, [9.0], [9.0], [10**9], [90.0])
NOTHING = Row("m", "peer", 5, "exit code 1")
ONCE = Row("o", "peer", 5, "", 2, 0, 0, 1.0, [9.0], [9.0], [10**9])
ROWS = [asdict(row) for row in (COPY, GOOD, HALF, WRONG, NOTHING, ONCE)]


class Patch:
    hatch = "?"

    def set_hatch(self, hatch: str) -> None:
        self.hatch = hatch


class Axes:
    """Notes what is drawn on it: by tool, the place, the height and the hatch of each bar."""

    def __init__(self) -> None:
        self.models: list[str] = []
        self.width = 0.0
        self._bars: dict[str, list[tuple[float, float, Patch]]] = {}

    def bar(self, places: list[float], heights: list[float], width: float, label: str) -> list[Patch]:
        patches = [Patch() for _ in places]
        self._bars[label], self.width = list(zip(places, heights, patches, strict=True)), width
        return patches

    def set_xticks(self, places: range, models: list[str], **_: Any) -> None:
        assert list(places) == list(range(len(models)))
        self.models = models

    def of(self, tool: str) -> list[tuple[float, float, str]]:
        return [(round(place, 6), height, patch.hatch) for place, height, patch in self._bars[tool]]


def test_cp_and_what_was_not_timed_beside_it_have_no_bar() -> None:
    assert [(row["model"], row["tool"]) for row in plot.timed(ROWS)] == [
        ("m", "fc2conv"),
        ("n", "fc2conv"),
        ("n", "peer"),
    ]


def test_bars_stand_side_by_side_and_those_of_no_good_result_are_hatched() -> None:
    axes = Axes()
    plot.bars(axes, plot.timed(ROWS), plot.wall)
    assert (axes.models, axes.width) == (["m", "n"], 0.4)
    assert axes.of("fc2conv") == [(-0.2, 4.0, ""), (0.8, 8.0, "")]
    assert axes.of("peer") == [(1.2, 90.0, "//")]


def test_memory_is_in_megabytes() -> None:
    assert [plot.memory(row) for row in plot.timed(ROWS)] == [200.0, 100.0, 1000.0]


def test_layers_of_what_gave_no_good_result_are_left() -> None:
    assert plot.left(ROWS) == {"fc2conv": 25.0, "peer": pytest.approx(200 / 3)}


def test_nothing_at_all_can_be_drawn() -> None:
    assert plot.timed([]) == []
    assert plot.left([]) == {}
    plot.bars(axes := Axes(), [], plot.wall)
    assert axes.models == []


def test_the_same_results_are_the_same_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    rows = [COPY, GOOD, HALF, WRONG, NOTHING, ONCE]
    save(Results("2026-01-02", "a machine", {}, {}, rows), tmp_path / "results.json")
    pictures = [tmp_path / "1.svg", tmp_path / "2.svg"]
    for picture in pictures:
        subprocess.run([sys.executable, plot.__file__, tmp_path / "results.json", picture], check=True)
    first, second = (picture.read_text() for picture in pictures)
    assert first == second
    assert "wall time over that of cp" in first


def test_without_bars_there_is_no_legend_and_no_warning(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    for name, rows in (("none", [Row("m", "fc2conv", 5, "", 4, 0, 2)]), ("some", [COPY, GOOD])):
        save(Results("2026-01-02", "a machine", {}, {}, rows), tmp_path / "results.json")
        words = [sys.executable, plot.__file__, tmp_path / "results.json", tmp_path / f"{name}.svg"]
        assert subprocess.run(words, check=True, capture_output=True, text=True).stderr == ""
    legends = ["legend_1" in (tmp_path / f"{name}.svg").read_text() for name in ("none", "some")]
    assert legends == [False, True]
