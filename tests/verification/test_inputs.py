from __future__ import annotations

import numpy as np

from fc2conv_cli.verification.inputs import Recipe, dynamic_dims, larger_cases, sample, usual_cases
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
    drawn = sample([IDS], {"N": 50, "ids[1]": 4}, Recipe(tables={"ids": 5}), (0,))["ids"]
    assert set(drawn.ravel().tolist()) == set(range(5))


def test_booleans_and_scalars() -> None:
    ports = [Port("flag", "tensor(bool)", ()), Port("half", "tensor(float16)", (1,))]
    feeds = sample(ports, {}, Recipe(), (0,))
    assert feeds["flag"].shape == ()
    assert feeds["flag"].dtype == np.bool_
    assert {bool(sample(ports, {}, Recipe(), (9, 0, k))["flag"]) for k in (0, 1)} == {False, True}
    assert feeds["half"].dtype == np.float16
