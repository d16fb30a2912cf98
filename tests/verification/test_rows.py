"""Tables are read row by row, and what is not read is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from helpers import INT64, model, random, save, value
from onnx import helper

from fc2conv_cli import Settings, verify
from fc2conv_cli.verification.feeding import Feeding
from fc2conv_cli.verification.report import VerifyReport
from fc2conv_cli.verification.rows import dealt, drawn_before, unread


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_each_row_once_before_any_again_and_the_ends_first() -> None:
    first = dealt((3, 12), 4, 0, (0, 0), rng())
    assert {3, 12} <= set(first.tolist()) <= set(range(3, 13))
    rest = dealt((3, 12), 6, 4, (0, 0), rng())
    assert sorted([*first, *rest]) == list(range(3, 13))
    again = dealt((3, 12), 10, 10, (0, 0), rng())
    assert sorted(again) == list(range(3, 13))
    assert dealt((3, 12), 4, 0, (1, 0), np.random.default_rng(0)).tolist() != first.tolist()


@pytest.mark.parametrize("bounds", [(0, 0), (0, 1), (-2, 0), (0, 2**40), (0, 2**64 - 1)])
def test_ends_of_any_range(bounds: tuple[int, int]) -> None:
    drawn = [dealt(bounds, 1, start, (0, 0), rng())[0] for start in (0, 1)]
    assert (int(drawn[0]), int(drawn[1])) == bounds
    assert dealt(bounds, 0, 5, (0, 0), rng()).size == 0


def test_where_a_run_begins() -> None:
    assert [drawn_before([1, 9], number, k, 4) for number, k in ((0, 0), (0, 3), (1, 0), (1, 2), (2, 0))] == [
        0, 3, 4, 22, 40
    ]  # fmt: skip


def test_what_was_not_read() -> None:
    tables = {"ids": (0, 9), "all": (0, 1), "sums": (1, 4)}
    read = {"ids": {0, 3, 99}, "all": {0, 1}, "sums": {1}}
    assert unread(read, tables, {"ids": "words"}, "; more") == (
        "words: 2 of 10 rows were read, by input 'ids'; more",
        "input 'sums' took 1 of the 4 values that it looks something up by; more",
    )


def embedding(rows: int, wrong: int | None = None) -> onnx.ModelProto:
    table = random((rows, 3))
    if wrong is not None:
        table[wrong] += 1
    node = helper.make_node("Gather", ["words", "ids"], ["y"])
    return model([node], [value("ids", ["N", "S"], INT64)], [value("y", ["N", "S", 3])], {"words": table})


def compared(folder: Path, wrong: int | None, rows: int = 60, **settings: object) -> VerifyReport:
    paths = save(embedding(rows), folder / "a.onnx"), save(embedding(rows, wrong), folder / "b.onnx")
    return verify(*paths, settings=Settings(**settings))  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [0, 1, 17, 30, 58, 59])
def test_a_wrong_row_is_seen(tmp_path: Path, wrong: int) -> None:
    assert not compared(tmp_path, wrong).passed


def test_a_table_that_is_read_needs_no_note_and_any_other_gets_one(tmp_path: Path) -> None:
    assert compared(tmp_path, None).notes == ()
    (note,) = compared(tmp_path, None, rows=1000).notes
    assert note == "words: 99 of 1000 rows were read, by input 'ids'; a larger --samples reads more"
    np.savez(tmp_path / "in.npz", ids=np.arange(8).reshape(2, 4))
    (note,) = compared(tmp_path, None, feeding=Feeding(tmp_path / "in.npz")).notes
    assert note == "words: 8 of 60 rows were read, by input 'ids'"


def test_one_row_is_enough_to_fail_and_the_first_and_last_are_read_in_any_table(tmp_path: Path) -> None:
    for wrong in (0, 999):
        assert not compared(tmp_path, wrong, rows=1000, samples=2).passed
