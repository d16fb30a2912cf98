"""Draws indices so that the rows of a table are read in turn, as cards are dealt, and tells how many were.

Independent draws read some rows again and again and leave others: of a table with as many rows as are drawn, a third.
Where a run begins follows from the runs before it, whether they take place or not, so that a run is the same in every
engine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[Any]

_MOST_ROWS = 2**20
"""Of more, no comparison reads a tenth: draws hardly repeat, and nothing is gained."""
_INT64_MAX = 2**63 - 1


def dealt(bounds: tuple[int, int], count: int, start: int, deck: Sequence[int], rng: np.random.Generator) -> Integers:
    """Whole numbers from the one to the other bound; each occurs once before any does again.

    Args:
        bounds: The least and the greatest; these two come first.
        count: How many to draw.
        start: How many were drawn before.
        deck: Seeds the order.
        rng: Shuffles what is drawn.
    """
    low, high = bounds
    width = high - low + 1
    if width <= _MOST_ROWS:
        wide = np.uint64 if high > _INT64_MAX else np.int64
        drawn = _deck(width, tuple(deck))[(start + np.arange(count)) % width].astype(wide) + wide(low)
    else:
        drawn = rng.integers(low, high, count, np.uint64 if high > _INT64_MAX else np.int64, endpoint=True)
        for place, end in enumerate(bounds):
            if start <= place < start + count:
                drawn[place - start] = end
    rng.shuffle(drawn)
    return np.asarray(drawn)


@lru_cache(maxsize=16)
def _deck(width: int, seed: tuple[int, ...]) -> Integers:
    """All rows in some order, the first and the last of them in front."""
    inner = np.random.default_rng(list(seed)).permutation(np.arange(1, width - 1))
    return np.concatenate([[0, width - 1][:width], inner]).astype(np.int64)


def drawn_before(counts: Sequence[int], number: int, k: int, samples: int) -> int:
    """How many values were drawn before the sample `k` of a case, of `samples` of each; counts are those of one run."""
    return sum(samples * count for count in counts[:number]) + (k * counts[number] if k else 0)


def unread(
    read: Mapping[str, set[int]], tables: Mapping[str, tuple[int, int]], names: Mapping[str, str], advice: str
) -> tuple[str, ...]:
    """A sentence for each input that did not read all of what it looks up.

    Args:
        read: The values that each input took.
        tables: The least and the greatest that it should.
        names: The table that it looks up, where its values are the rows.
        advice: What reads more of it.
    """
    said = []
    for name, values in read.items():
        low, high = tables[name]
        whole, count = high - low + 1, sum(low <= value <= high for value in values)
        if count >= whole:
            continue
        if name in names:
            said.append(f"{names[name]}: {count} of {whole} rows were read, by input {name!r}{advice}")
        else:
            said.append(f"input {name!r} took {count} of the {whole} values that it looks something up by{advice}")
    return tuple(said)
