"""Tables and page from results that are made up."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from benchmarks import page, tables
from benchmarks.results import Results, Row, load, save

COPY = Row("m", "cp", 200_000_000, seconds=[0.1, 0.2, 0.1], cpu=[0.1] * 3, peaks=[10**7] * 3, ratios=[1.0] * 3)
GOOD = Row("m", "fc2conv", 200_000_000, "", 4, 0, 2, 1.25, [0.5, 0.3, 0.4], [0.2] * 3, [4 * 10**8] * 3, [5.0, 1.5, 4.0])
WRONG = Row("m", "peer", 200_000_000, "wrong: deviates by 2 of the largest value", 4, 0, 8, None, [9.0], [9.0], [10**9])
NOTHING = Row("n", "peer", 5, "exit code 1: no | such op")
PARTLY = Row("n", "fc2conv", 5, "", 3, 1, -1, 0.5)
UNTOUCHED = Row("n", "lazy", 5, "", 3, 3, 0, 1.0)


def results(*rows: Row) -> Results:
    return Results("2026-01-02", "a machine", {"onnx": "1"}, {"fc2conv": "`convert`"}, list(rows))


ALL = results(COPY, GOOD, WRONG, PARTLY, NOTHING, UNTOUCHED)


def cells(text: str, *starts: str) -> list[str]:
    """The cells of the one row that begins so."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    (found,) = [row for row in rows if row[: len(starts)] == list(starts)]
    return found


def test_a_summary_counts_layers_of_what_failed_as_left() -> None:
    text = tables.summary(ALL)
    assert cells(text, "fc2conv") == ["fc2conv", "2", "2", "0", "0", "1 of 7", "+0.2", "0.88"]
    assert cells(text, "peer") == ["peer", "2", "0", "1", "1", "7 of 7", "-", "-"]


def test_a_tool_that_converts_nothing_has_no_latency() -> None:
    assert cells(tables.summary(ALL), "lazy") == ["lazy", "1", "1", "0", "0", "3 of 3", "-", "-"]


def test_cp_is_no_converter() -> None:
    assert "cp" not in tables.summary(ALL)
    assert "cp" not in tables.outcomes(ALL)


def test_each_model_says_what_came_of_it() -> None:
    text = tables.outcomes(ALL)
    assert cells(text, "m") == ["m", "4", "0 left, +2, 1.25x", "**wrong**", "-"]
    assert cells(text, "n") == ["n", "3", "1 left, -1, 0.50x", "**no result**", "all 3 left"]


def test_costs_are_medians_and_ratios_those_of_each_turn() -> None:
    text = tables.costs(ALL)
    expected = ["fc2conv", "3", "0.40 s", "4.0", "0.20 s", "400 MB", "2.00"]
    assert cells(text, "", "", "fc2conv")[2:] == expected
    assert cells(text, "", "", "peer (wrong)")[3:6] == ["1", "9.00 s", "-"]
    assert cells(text, "m")[:3] == ["m", "200 MB", "cp"]


def test_small_models_have_no_ratio_of_memory() -> None:
    small = dataclasses.replace(GOOD, size=1000)
    assert cells(tables.costs(results(small)), "m")[-1] == "-"


def test_faults_are_said_once_with_their_models() -> None:
    text = tables.faults(results(NOTHING, dataclasses.replace(NOTHING, model="o")))
    assert text == "- peer: exit code 1: no | such op (n; o)"


def test_results_come_back_from_a_file(tmp_path: Path) -> None:
    save(ALL, tmp_path / "results.json")
    assert load(tmp_path / "results.json") == ALL


def test_a_page_keeps_what_stands_around(tmp_path: Path) -> None:
    path = tmp_path / "performance.md"
    path.write_text("# Performance\n\n## Saving\nfast\n")
    page.put(path, "one\n")
    path.write_text(path.read_text() + "\n## Start\nslow\n")
    page.put(path, tables.page(ALL, "plot.svg"))
    text = path.read_text()
    assert text.startswith("# Performance\n\n## Saving\nfast\n\n## Beside other tools\n<!--")
    assert text.endswith("-->\n\n## Start\nslow\n")
    assert "one" not in text.splitlines()
    assert text.count(page.BEGIN) == text.count(page.END) == 1
    assert "Measured 2026-01-02 on a machine; onnx 1." in text


def test_where_nothing_was_timed_the_page_says_so() -> None:
    untimed = Row("m", "fc2conv", 5, "", 4, 0, 2)
    assert tables.UNTIMED in tables.page(results(untimed), None)
    assert "| processor |" not in tables.page(results(untimed), None)
    timed = dataclasses.replace(untimed, seconds=[0.5], cpu=[0.5], peaks=[10**7])
    assert tables.UNTIMED not in tables.page(results(untimed, timed), None)
    assert "| processor |" in tables.page(results(untimed, timed), None)
