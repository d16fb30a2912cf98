"""The least cost is the least cost: against an exhaustive search, and on graphs that are long or tangled."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fc2conv_cli.layout.elimination import Factor, minimise


@st.composite
def problems(draw: st.DrawFn) -> tuple[list[int], list[Factor]]:
    sizes = draw(st.lists(st.integers(1, 3), min_size=1, max_size=7))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    factors = []
    for _ in range(draw(st.integers(0, 10))):
        count = draw(st.integers(1, min(3, len(sizes))))
        scope = draw(st.permutations(range(len(sizes))))[:count]
        table = rng.integers(0, 9, [sizes[v] for v in scope]).astype(float)
        table[rng.random(table.shape) < 0.1] = np.inf
        factors.append(Factor(tuple(scope), table))
    return sizes, factors


def exhaustive(sizes: list[int], factors: list[Factor]) -> float:
    return min(
        float(sum(f.table[tuple(values[v] for v in f.variables)] for f in factors))
        for values in itertools.product(*map(range, sizes))
    )


@given(problems())
def test_it_finds_the_least_cost(problem: tuple[list[int], list[Factor]]) -> None:
    sizes, factors = problem
    found = minimise(sizes, factors)
    assert found.cost == exhaustive(sizes, factors)
    assert found.bound == found.cost
    assert found.gap == 0


@given(problems(), st.integers(1, 27))
def test_the_bound_holds_where_tables_are_too_large(problem: tuple[list[int], list[Factor]], largest: int) -> None:
    sizes, factors = problem
    found = minimise(sizes, factors, largest_table=largest)
    least = exhaustive(sizes, factors)
    assert found.bound <= least <= found.cost


def test_a_long_chain() -> None:
    rng = np.random.default_rng(0)
    tables = [rng.integers(0, 9, (4, 4)).astype(float) for _ in range(20_000)]
    found = minimise([4] * 20_001, [Factor((i, i + 1), t) for i, t in enumerate(tables)])
    best = np.zeros(4)
    for table in tables:
        best = (best[:, None] + table).min(axis=0)
    assert found.cost == best.min()


def test_a_tangle_is_bounded() -> None:
    rng = np.random.default_rng(0)
    pairs = list(itertools.combinations(range(14), 2))
    factors = [Factor(pair, rng.integers(0, 99, (4, 4)).astype(float)) for pair in pairs]
    found = minimise([4] * 14, factors, largest_table=4**5)
    assert 0 < found.gap < 1
    assert np.isfinite(found.cost)


def test_a_hub_with_more_neighbours_than_an_array_has_axes() -> None:
    count = 200
    choice = [Factor((0, i), np.array([[1.0, 2.0], [3.0, 0.0]])) for i in range(1, count)]
    lone = [Factor((count, i), np.array([[0.0, 1.0]])) for i in range(1, count)]  # of one value: joins nothing
    solution = minimise([2] * count + [1], [*choice, *lone])
    assert solution.values == (0,) * (count + 1)
    assert (solution.cost, solution.gap) == (count - 1, 0)
