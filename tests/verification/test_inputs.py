from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fc2conv_cli.errors import UsageError
from fc2conv_cli.frontends.input_specs import InputSpec
from fc2conv_cli.verification.feeding import Range
from fc2conv_cli.verification.inputs import (
    Recipe,
    apart_cases,
    dims_of,
    dynamic_dims,
    guesses,
    larger_cases,
    odd_cases,
    sample,
    usual_cases,
)
from fc2conv_cli.verification.runner import Port

X = Port("x", "tensor(float)", ("N", 4, "S"))
IDS = Port("ids", "tensor(int64)", ("N", None))


def test_every_dim_is_tried_at_1_and_3_and_mixed() -> None:
    assert dynamic_dims([X, IDS]) == ["N", "S", "ids[1]"]
    assert usual_cases([X], {}) == [{"N": 1, "S": 1}, {"N": 3, "S": 3}, {"N": 1, "S": 3}, {"N": 3, "S": 1}]
    assert usual_cases([Port("x", "tensor(float)", (2, 4))], {}) == [{}]
    assert next(larger_cases([X], {})) == [{"N": 8, "S": 8}, {"N": 8, "S": 16}, {"N": 1, "S": 8}]


def test_placeholders_are_dims_of_their_own() -> None:
    assert dynamic_dims([Port("x", "tensor(float)", ("?", "?"))]) == ["x[0]", "x[1]"]


def test_equal_seeds_give_equal_inputs() -> None:
    one = sample([X, IDS], {"N": 3, "S": 2, "ids[1]": 5}, Recipe(), (7, 0, 1))
    two = sample([X, IDS], {"N": 3, "S": 2, "ids[1]": 5}, Recipe(), (7, 0, 1))
    other = sample([X, IDS], {"N": 3, "S": 2, "ids[1]": 5}, Recipe(), (8, 0, 1))
    for name in one:
        np.testing.assert_array_equal(one[name], two[name])
    assert not np.array_equal(one["x"], other["x"])
    assert one["x"].shape == (3, 4, 2)
    assert one["x"].dtype == np.float32


def test_integers_stay_below_the_table_that_they_look_up() -> None:
    drawn = sample([IDS], {"N": 50, "ids[1]": 4}, Recipe(tables={"ids": (0, 4)}), (0,))["ids"]
    assert set(drawn.ravel().tolist()) == set(range(5))


def test_booleans_and_scalars() -> None:
    ports = [Port("flag", "tensor(bool)", ()), Port("half", "tensor(float16)", (1,))]
    feeds = sample(ports, {}, Recipe(), (0,))
    assert feeds["flag"].shape == ()
    assert feeds["flag"].dtype == np.bool_
    assert {bool(sample(ports, {}, Recipe(), (9, 0, k))["flag"]) for k in (0, 1)} == {False, True}
    assert feeds["half"].dtype == np.float16


def test_sizes_that_are_given_replace_the_usual_ones() -> None:
    assert usual_cases([X], {"N": (2, 5)}) == [
        {"S": 1, "N": 2},
        {"S": 1, "N": 5},
        {"S": 3, "N": 2},
        {"S": 3, "N": 5},
    ]
    assert usual_cases([X], {"N": (2,), "S": (7,)}) == [{"N": 2, "S": 7}]
    many = usual_cases([X], {"N": tuple(range(1, 8)), "S": tuple(range(1, 8))})
    assert {case["N"] for case in many} == {case["S"] for case in many} == set(range(1, 8))
    assert list(larger_cases([X], {"N": (2,), "S": (7,)})) == []


@pytest.mark.parametrize(
    ("distribution", "values"),
    [("ones", {1.0}), ("zeros", {0.0}), ("integers", {-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0})],
)
def test_distributions(distribution: str, values: set[float]) -> None:
    drawn = sample([X], {"N": 50, "S": 3}, Recipe(distribution=distribution), (0,))["x"]
    assert set(drawn.ravel().tolist()) == values
    assert drawn.dtype == np.float32


def test_ranges_hold_for_floats_and_integers() -> None:
    recipe = Recipe(tables={"ids": (0, 4)}, ranges={"x": Range(2, 3), "ids": Range(-2, 1)})
    drawn = sample([X, IDS], {"N": 50, "S": 3, "ids[1]": 4}, recipe, (0,))
    assert 2 <= drawn["x"].min() < drawn["x"].max() <= 3
    assert set(drawn["ids"].ravel().tolist()) == {-2, -1, 0, 1}


def test_masks_and_lengths() -> None:
    ports = [Port(name, "tensor(int64)", ("N",)) for name in ("mask", "by_dim", "by_number")]
    recipe = Recipe(masks={"mask"}, lengths={"by_dim": "S", "by_number": 2})
    drawn = sample(ports, {"N": 100, "S": 4}, recipe, (0,))
    assert set(drawn["mask"].tolist()) == {0, 1}
    assert set(drawn["by_dim"].tolist()) == {1, 2, 3, 4}
    assert set(drawn["by_number"].tolist()) == {1, 2}


def test_shapes_of_single_inputs_give_sizes_to_dims() -> None:
    assert dims_of([InputSpec("x", (2, 4, "T"))], [X]) == {"N": (2,)}
    without_type = dims_of([InputSpec("ids", (3, 1))], [IDS])
    assert without_type == dims_of([InputSpec("ids", (3, 1), "int64")], [IDS])
    assert without_type["N"] == (3,)
    for spec, message in (
        (InputSpec("z", (2,)), "no input 'z'"),
        (InputSpec("x", (2, 5, 1)), "5 at axis 1 does not fit"),
        (InputSpec("x", (2, 4)), "a shape of 2 dims does not fit, it has 3"),
        (InputSpec("x", (2, 4, 1), "int64"), "the type int64 does not fit, it is float32"),
    ):
        with pytest.raises(UsageError, match=message):
            dims_of([spec], [X])
    with pytest.raises(UsageError, match="does not fit"):
        dims_of([InputSpec("x", (2, 4, 1)), InputSpec("ids", (3, 1), "int64")], [X, IDS])


def test_bounds_of_integers_are_whole() -> None:
    for bounds in (Range(0.5, 9), Range(0, 9.5)):
        with pytest.raises(UsageError, match=r"int64, and not whole"):
            sample([IDS], {"N": 1, "ids[1]": 1}, Recipe(ranges={"ids": bounds}), (0,))


def test_large_integers_are_drawn_as_they_are_given() -> None:
    odd = 2**53 + 1
    for dtype in ("int64", "uint64"):
        port = Port("ids", f"tensor({dtype})", (3,))
        drawn = sample([port], {}, Recipe(ranges={"ids": Range(odd, odd)}), (0,))["ids"]
        assert drawn.tolist() == [odd] * 3
    with pytest.raises(UsageError, match=f"--range 0..{2**64} holds no values of uint64"):
        sample([port], {}, Recipe(ranges={"ids": Range(0, 2**64)}), (0,))


def test_guesses_are_said() -> None:
    ports = [Port(name, "tensor(int64)", ("N",)) for name in ("ids", "rows", "kept", "mask", "steps", "given")]
    ports += [Port("pixels", "tensor(uint8)", ("N",)), Port("on", "tensor(bool)", ("N",)), X]
    known = Recipe(
        tables={"rows": (0, 4)},
        masks={"kept"},
        called_masks={"mask"},
        lengths={"steps": 3},
        ranges={"given": Range(0, 1)},
    )
    assert guesses(ports, known) == (
        "input 'ids' is drawn from 0..9; --range ids:LO..HI gives another range",
        "input 'mask' is drawn from 0..1, as a mask, because of its name; --range mask:LO..HI gives another range",
    )
    fewer = guesses(ports, replace(known, limit=2))
    assert [said.split(";")[0] for said in fewer] == [
        "input 'ids' is drawn from 0..1",
        "input 'rows' is drawn from 0..1",
        "input 'mask' is drawn from 0..1, as a mask, because of its name",
        "input 'pixels' is drawn from 0..1",
    ]


@pytest.mark.parametrize("count", range(1, 10))
def test_any_two_dims_differ_in_some_run(count: int) -> None:
    ports = [Port(f"x{i}", "tensor(float)", (f"d{i}",)) for i in range(count)]
    cases = [*usual_cases(ports, {}), *apart_cases(ports, {})]
    assert len(cases) == 2 + 2 * (count > 1) + max((count - 1).bit_length() - 1, 0), "or it takes too long"
    for other in (cases, list(odd_cases(ports, {}))[:1] if count < 6 else cases):
        columns = {tuple(case[f"d{i}"] for case in other) for i in range(count)}
        assert len(columns) == count
    larger = next(larger_cases(ports, {}))
    columns = {tuple(c[f"d{i}"] for c in [*larger, *apart_cases(ports, {}, larger)]) for i in range(count)}
    assert len(columns) == count


def test_odd_sizes() -> None:
    three = [Port("x", "tensor(float)", ("N", "S", "W"))]
    assert odd_cases(three, {}) == [{"N": 5, "S": 7, "W": 6}, {"N": 5, "S": 7, "W": 5}]
    assert odd_cases(three, {"S": (2, 9)}) == [{"N": 5, "W": 7, "S": 9}]
    assert odd_cases(three, {"N": (1,), "S": (1,), "W": (1,)}) == []
    assert odd_cases([Port("x", "tensor(float)", ("N", 2**20))], {}) == []


def test_no_two_switches_are_always_alike() -> None:
    ports = [Port(f"s{i}", "tensor(bool)", ()) for i in range(14)]
    drawn = [sample(ports, {}, Recipe(), (0, 0, k)) for k in range(4)]
    columns = [tuple(bool(feeds[port.name]) for feeds in drawn) for port in ports]
    assert len(set(columns)) == 14
    assert all(set(column) == {False, True} for column in columns)
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert len(set(zip(columns[one], columns[other], strict=True))) == 4, "in all four ways"
    many = [Port(f"s{i}", "tensor(bool)", ()) for i in range(20)]
    assert {bool(sample(many, {}, Recipe(), (0, 0, k))["s19"]) for k in range(16)} == {False, True}
