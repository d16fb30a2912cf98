"""Minimises a sum of small cost tables over discrete variables: exactly, by eliminating one variable after the other.

A variable is eliminated by adding up the tables that it is in and taking the minimum over it; what is left is a table
over its neighbours (Bertele and Brioschi, Nonserial Dynamic Programming, 1972; bucket elimination, Dechter 1999).
Networks are long and narrow, so that the tables stay small: the elimination goes along a residual stream and meets each
block once.

Where a table would grow too large, the tables of a variable are cut into groups that are minimised on their own
(mini-buckets, Dechter and Rish 2003). The sum of their minima is a lower bound; the assignment is then good, but not
known to be best, and the gap between its cost and the bound says by how much at most.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Table = npt.NDArray[np.float64]

LARGEST_TABLE = 2**20
"""Numbers in a table: 8 MB. One more variable of four values quadruples the time."""


class Factor(NamedTuple):
    """A cost for each combination of values of some variables.

    Attributes:
        variables: Their numbers; none twice.
        table: The costs, an axis for each variable; infinite for what is not allowed.
    """

    variables: tuple[int, ...]
    table: Table


@dataclass(frozen=True)
class Solution:
    """An assignment, and what is known of it.

    Attributes:
        values: A value for each variable.
        cost: The sum of all tables there; infinite when no assignment was found.
        bound: What no assignment can go below; equal to `cost` when the assignment is optimal.
    """

    values: tuple[int, ...]
    cost: float
    bound: float

    @property
    def gap(self) -> float:
        """How far from the bound, as a share of the cost: 0 when optimal."""
        return 0.0 if self.cost == self.bound else (self.cost - self.bound) / abs(self.cost)


def minimise(sizes: Sequence[int], factors: Iterable[Factor], largest_table: int = LARGEST_TABLE) -> Solution:
    """Find the assignment of least cost.

    Args:
        sizes: The number of values of each variable.
        factors: The costs.
        largest_table: Beyond this many numbers in a table the result may not be optimal.
    """
    factors = [_of_choices(factor, sizes) for factor in factors]
    elimination = _Elimination(sizes, factors, largest_table)
    bound = elimination.run()
    values = elimination.trace_back()
    cost = float(sum(f.table[tuple(values[v] for v in f.variables)] for f in factors))
    exact = elimination.exact
    return Solution(tuple(values), cost, cost if exact else min(bound, cost))


def _of_choices(factor: Factor, sizes: Sequence[int]) -> Factor:
    """The factor without the variables that have one value only, so that they join no others."""
    variables = tuple(v for v in factor.variables if sizes[v] != 1)
    if len(variables) == len(factor.variables):
        return factor
    return Factor(variables, factor.table.reshape([sizes[v] for v in variables]))


class _Step(NamedTuple):
    """A variable that was eliminated, and the tables that it was in."""

    variable: int
    factors: list[Factor]


class _Elimination:
    def __init__(self, sizes: Sequence[int], factors: Iterable[Factor], largest_table: int) -> None:
        self.exact = True
        self._sizes = sizes
        self._largest = largest_table
        self._of: list[dict[int, Factor]] = [{} for _ in sizes]
        self._neighbours: list[set[int]] = [set() for _ in sizes]
        self._weights = [1 for _ in sizes]  # of the table that eliminating the variable leaves
        self._numbers = 0
        self._constant = 0.0
        self._steps: list[_Step] = []
        for factor in factors:
            self._add(factor)

    def run(self) -> float:
        """Eliminate all variables; the least cost, or a bound on it."""
        heap = [(self._weights[v], v) for v in range(len(self._sizes))]
        heapq.heapify(heap)
        done: set[int] = set()
        while heap:
            weight, variable = heapq.heappop(heap)
            if variable in done:
                continue
            if weight != (now := self._weights[variable]):
                heapq.heappush(heap, (now, variable))
                continue
            done.add(variable)
            neighbours = self._neighbours[variable]
            self._eliminate(variable)
            for v in neighbours:
                heapq.heappush(heap, (self._weights[v], v))
        return self._constant

    def trace_back(self) -> list[int]:
        """Give each variable the best of its values, those that were eliminated last first."""
        values = [0] * len(self._sizes)
        for variable, factors in reversed(self._steps):
            total = np.zeros(self._sizes[variable])
            for f in factors:
                total = total + f.table[tuple(slice(None) if v == variable else values[v] for v in f.variables)]
            values[variable] = int(np.argmin(total))
        return values

    def _add(self, factor: Factor) -> None:
        if not factor.variables:
            self._constant += float(factor.table)
            return
        for v in factor.variables:
            self._of[v][self._numbers] = factor
            for u in factor.variables:
                if u != v and u not in self._neighbours[v]:
                    self._neighbours[v].add(u)
                    self._weights[v] *= self._sizes[u]
        self._numbers += 1

    def _eliminate(self, variable: int) -> None:
        numbered = self._of[variable]
        factors = list(numbered.values())
        self._steps.append(_Step(variable, factors))
        for number, factor in numbered.items():
            for v in factor.variables:
                if v != variable:
                    del self._of[v][number]
        for v in self._neighbours[variable]:
            self._neighbours[v].remove(variable)
            self._weights[v] //= self._sizes[variable]
        groups = list(self._groups(variable, factors))
        self.exact = self.exact and len(groups) <= 1
        for group in groups:
            self._add(self._without(variable, group))
        self._of[variable] = {}
        if len(groups) > 1:
            for v in self._neighbours[variable]:
                self._neighbours[v] = {u for f in self._of[v].values() for u in f.variables if u != v}
                self._weights[v] = _product(self._sizes[u] for u in self._neighbours[v])

    def _groups(self, variable: int, factors: list[Factor]) -> Iterator[list[Factor]]:
        """The factors in as few groups as do not exceed the largest table."""
        group: list[Factor] = []
        scope: set[int] = {variable}
        for factor in sorted(factors, key=lambda f: -f.table.size):
            wider = scope | set(factor.variables)
            if group and _product(self._sizes[v] for v in wider) > self._largest:
                yield group
                group, wider = [], {variable, *factor.variables}
            group.append(factor)
            scope = wider
        if group:
            yield group
        elif not factors:
            yield [Factor((variable,), np.zeros(self._sizes[variable]))]

    def _without(self, variable: int, factors: list[Factor]) -> Factor:
        """The sum of factors, minimised over a variable."""
        scope = sorted({v for f in factors for v in f.variables} - {variable})
        order = [*scope, variable]
        total = np.zeros([self._sizes[v] for v in order])
        for f in factors:
            at = {v: i for i, v in enumerate(f.variables)}
            axes = [at[v] for v in order if v in at]
            shape = [self._sizes[v] if v in at else 1 for v in order]
            total = total + f.table.transpose(axes).reshape(shape)
        return Factor(tuple(scope), total.min(axis=-1))


def _product(numbers: Iterable[int]) -> int:
    total = 1
    for n in numbers:
        total *= n
    return total
