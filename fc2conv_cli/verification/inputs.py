"""Inputs to compare two models on: sizes for the dynamic dims, and values that the model can take."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

from fc2conv_cli.errors import UsageError
from fc2conv_cli.frontends.input_specs import InputSpec
from fc2conv_cli.sizes import PLACEHOLDERS
from fc2conv_cli.verification.feeding import Distribution, Range
from fc2conv_cli.verification.rows import dealt, drawn_before
from fc2conv_cli.verification.runner import Port

Array = npt.NDArray[np.generic]
Sizes = dict[str, int]
"""A size for each dynamic dim, by its name."""
Given = Mapping[str, Sequence[int]]
"""The sizes that the user wants a dim to take, by its name."""

SMALL, LARGE = 1, 3
"""The sizes that every dynamic dim takes: 1 is what broadcasts, 3 is the least that shows swapped axes."""
ODD = (5, 7, 6, 4)
"""In one run more, and 8, 9 and so on for further dims: faults at 1 and 3 only are rare, and at batch 5 or the fourth
token nothing else looks. No two dims are alike there; where the original refuses that, the first two go by turns."""
_LARGER_SIZES = (8, 16, 32, 64, 128, 224, 256, 512)
"""Tried one by one when the original refuses some of those (an image network cannot run on 3x3 pixels)."""
_MOST_ELEMENTS = 2**24
"""Larger sizes stay below this many elements in all inputs together (64 MB of float32)."""
_MOST_ODD_ELEMENTS = 2**20
"""Of inputs that are run at odd sizes: time is not to grow for a model of large images."""
_NO_MEMORY_HOLDS = 2**31
"""Inputs of so many elements (8 GB of float32) are a mistake."""
_MOST_CASES = 16
"""The sizes that the user gives are combined with each other and with the usual ones up to this many combinations."""
_SWITCHES = [
    [letter == "T" for letter in pattern] for pattern in ("TFTF", "TTFF", "TFFT", "TFFF", "TTFT", "TTTF", "TFTT")
]
_SWITCHES += [[not on for on in switch] for switch in _SWITCHES]
"""What boolean switches are in four samples, one after the other: any two in all four ways or nearly, none alike."""
_INT64_MAX = 2**63 - 1
_WHOLE = 3
"""Whole numbers as floats lie between minus this and this: small enough for exact sums."""
_INTEGER_LIMITS = (10, 2, 1)
"""Integers are below the first of these that the original takes: 10, then 0 and 1 (a mask), then 0."""


def dynamic_dims(ports: Sequence[Port]) -> list[str]:
    """Names of the dynamic dims of the inputs; an unnamed one is called by its input and axis."""
    names: dict[str, None] = {}
    for port in ports:
        for i, dim in enumerate(port.shape or ()):
            if not isinstance(dim, int):
                names[_dim_name(port, i, dim)] = None
    return list(names)


def dims_of(specs: Sequence[InputSpec], ports: Sequence[Port]) -> dict[str, tuple[int]]:
    """The sizes that shapes of single inputs give to dynamic dims.

    Raises:
        UsageError: A shape does not fit its input, or two say different things of one dim.
    """
    found: dict[str, tuple[int]] = {}
    known = {port.name: port for port in ports}
    for spec in specs:
        port = known.get(spec.name)
        if port is None:
            raise UsageError(f"--input: the model has no input {spec.name!r}", hint=f"It has: {', '.join(known)}.")
        declared = port.shape or ()
        for i, (size, dim) in enumerate(zip(spec.shape, declared, strict=False)):
            name = None if isinstance(dim, int) else _dim_name(port, i, dim)
            if isinstance(size, int) and (size != dim if name is None else found.setdefault(name, (size,)) != (size,)):
                whole = ", ".join(map(str, declared))
                raise UsageError(f"--input {spec.name}: {size} at axis {i} does not fit", hint=f"It is [{whole}].")
        whole = "x".join(map(str, declared))
        if len(spec.shape) != len(declared):
            problem = f"--input {spec.name}: a shape of {len(spec.shape)} dims does not fit, it has {len(declared)}"
            raise UsageError(problem, hint=f"It is {whole}:{port.dtype}.")
        if None not in (port.dtype, spec.dtype) and spec.dtype != port.dtype:
            problem = f"--input {spec.name}: the type {spec.dtype} does not fit, it is {port.dtype}"
            raise UsageError(problem, hint=f"It is {whole}:{port.dtype}; without a type, that of the model is taken.")
    return found


def usual_cases(ports: Sequence[Port], given: Given) -> list[Sizes]:
    """Every dim at 1 and at 3; with two or more also mixed, so that dims that were mistaken for each other differ.

    Args:
        ports: The model's inputs.
        given: The sizes that some dims are to take instead: every one of them occurs, combined with all others if
            that does not make too many.
    """
    names = [name for name in dynamic_dims(ports) if name not in given]
    return _combined(_alike_and_mixed(names, (SMALL, LARGE)), given)


def odd_cases(ports: Sequence[Port], given: Given) -> list[Sizes]:
    """Sizes that are none of the usual ones, first choice first; none if the user gives all, or inputs are large."""
    names = [name for name in dynamic_dims(ports) if name not in given]
    unlike = [*ODD, *range(8, 8 + len(names))]
    cases: list[Sizes] = [{n: unlike[i] for i, n in enumerate(names)}, {n: ODD[i % 2] for i, n in enumerate(names)}]
    return _small(ports, [{**case, **_last(given)} for case in cases[: 2 if len(names) > 2 else 1]]) if names else []


def apart_cases(ports: Sequence[Port], given: Given, ran: Sequence[Sizes] = ()) -> list[Sizes]:
    """Sizes that tell apart the dims that are alike in all other cases: of any two, one is larger in one of these.

    Args:
        ports: The model's inputs.
        given: The sizes that some dims are to take instead.
        ran: The larger cases that ran, if the model refuses the usual ones: there the first dim differs already.
    """
    names = [name for name in dynamic_dims(ports) if name not in given]
    sizes, first = (SMALL, LARGE), {}
    if ran and names:
        least = ran[0][names[0]]
        sizes, first, names = (least, 2 * least), {names[0]: least}, names[1:]
    bits = range(1, max(len(names) - 1, 0).bit_length())
    cases: list[Sizes] = [{n: sizes[(i >> bit) % 2] for i, n in enumerate(names)} for bit in bits]
    return _small(ports, [{**first, **case, **_last(given)} for case in cases])


def _last(given: Given) -> Sizes:
    return {name: sizes[-1] for name, sizes in given.items()}


def _small(ports: Sequence[Port], cases: Sequence[Sizes]) -> list[Sizes]:
    return [case for case in cases if _elements(ports, case) <= _MOST_ODD_ELEMENTS]


def _alike_and_mixed(names: Sequence[str], sizes: tuple[int, int]) -> list[Sizes]:
    if not names:
        return [{}]
    alike: list[Sizes] = [dict.fromkeys(names, size) for size in sizes]
    mixed: list[Sizes] = [{n: sizes[(i + k) % 2] for i, n in enumerate(names)} for k in (0, 1)]
    return alike if len(names) == 1 else [*alike, *mixed]


def _combined(cases: Sequence[Sizes], given: Given) -> list[Sizes]:
    if not given:
        return list(cases)
    if len(cases) * math.prod(map(len, given.values())) <= _MOST_CASES:
        chosen = [dict(zip(given, sizes, strict=True)) for sizes in itertools.product(*given.values())]
        return [{**case, **sizes} for case in cases for sizes in chosen]
    count = max(len(cases), *map(len, given.values()))
    chosen = [{name: sizes[i % len(sizes)] for name, sizes in given.items()} for i in range(count)]
    return [{**cases[i % len(cases)], **sizes} for i, sizes in enumerate(chosen)]


def larger_cases(ports: Sequence[Port], given: Given) -> Iterator[list[Sizes]]:
    """For a model that refuses some of the usual sizes: larger ones, alike and unlike, and with a first dim of 1."""
    names = [name for name in dynamic_dims(ports) if name not in given]
    for size in _LARGER_SIZES if names else ():
        cases: list[Sizes] = [
            dict.fromkeys(names, size),
            {n: size * (1 + i % 2) for i, n in enumerate(names)},
            {n: SMALL if i == 0 else size for i, n in enumerate(names)},
        ]
        whole = _combined(cases[: 3 if len(names) > 1 else 1], given)
        yield [case for case in whole if _elements(ports, case) <= _MOST_ELEMENTS]


def refuse_too_large(ports: Sequence[Port], cases: Sequence[Sizes]) -> None:
    """Refuse sizes that no memory holds.

    Raises:
        UsageError: The user gives such.
    """
    largest = max(_elements(ports, case) for case in cases)
    if largest > _NO_MEMORY_HOLDS:
        raise UsageError(
            f"inputs of {largest:,} elements are too large", hint="Give smaller sizes with --dim or --input."
        )


def _elements(ports: Sequence[Port], sizes: Sizes) -> int:
    return sum(math.prod(_shape(port, sizes)) for port in ports)


def _shape(port: Port, sizes: Sizes) -> list[int]:
    dims = enumerate(port.shape or ())
    return [dim if isinstance(dim, int) else sizes[_dim_name(port, i, dim)] for i, dim in dims]


def integer_limits(ports: Sequence[Port]) -> tuple[int, ...]:
    """What integers are to stay below, first choice first."""
    integers = any(p.dtype is not None and np.dtype(p.dtype).kind in "iu" for p in ports)
    return _INTEGER_LIMITS if integers else _INTEGER_LIMITS[:1]


@dataclass(frozen=True)
class Recipe:
    """How values are drawn.

    Attributes:
        limit: Integers are drawn from 0 up to below this (8-bit ones from all that there are, at the first choice) ...
        tables: ... or from the one to the other of these, of which the graph says that they show all of a table.
        masks: Integer inputs that are masks: 0 and 1.
        called_masks: Those that are only called so.
        lengths: Integer inputs that are lengths of sequences: 1 up to the size of the dim of that name, or number.
        distribution: Of floats.
        ranges: Least and greatest value, by input.
    """

    limit: int = 10
    tables: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    masks: Collection[str] = ()
    called_masks: Collection[str] = ()
    lengths: Mapping[str, int | str] = field(default_factory=dict)
    distribution: Distribution = "normal"
    ranges: Mapping[str, Range] = field(default_factory=dict)


@dataclass(frozen=True)
class Place:
    """A run among those of a comparison: what comes before it has read some rows of a table.

    Attributes:
        cases: The sizes of all runs.
        number: Its own among them; there may be no such, after the last.
        k: Its number among the samples there.
        samples: How many there are of each.
    """

    cases: Sequence[Sizes] = ()
    number: int = 0
    k: int = 0
    samples: int = 0

    def start(self, port: Port) -> int:
        """How many values an input has taken before."""
        counts = [math.prod(_shape(port, case)) for case in self.cases[: self.number + 1]]
        return drawn_before(counts, self.number, self.k, self.samples)


def sample(
    ports: Sequence[Port], sizes: Sizes, recipe: Recipe, seed: Sequence[int], place: Place | None = None
) -> dict[str, Array]:
    """One set of inputs.

    Args:
        ports: The model's inputs; each must be a tensor that numpy can hold, of known rank.
        sizes: A size for each dynamic dim.
        recipe: How values are drawn.
        seed: Seeds the generator; equal seeds give equal inputs.
        place: The run among others, so that together they read as much of a table as they can.

    Returns:
        N(0, 1) for floats if nothing else is wished, small integers, fair coin flips for booleans, and for a single
        boolean true and false by turns (by the last number of the seed), by name.
    """
    rng = np.random.default_rng(list(seed))
    feeds: dict[str, Array] = {}
    switches = itertools.count()
    for number, port in enumerate(ports):
        shape, dtype = _shape(port, sizes), np.dtype(port.dtype)
        turn = partial(_in_turn, shape=shape, start=(place or Place()).start(port), deck=(seed[0], number), rng=rng)
        if port.name in recipe.ranges:
            feeds[port.name] = _within(recipe.ranges[port.name], shape, dtype, rng, turn)
        elif "float" in dtype.name:
            feeds[port.name] = _floats(recipe.distribution, shape, rng).astype(dtype, copy=False)
        elif dtype.kind == "b" and math.prod(shape) == 1:
            feeds[port.name] = np.full(shape, _switched(next(switches), seed[-1], rng))
        elif dtype.kind == "b":
            feeds[port.name] = np.asarray(rng.integers(0, 2, shape)).astype(dtype)
        else:
            low, high = _integer_bounds(port, dtype, recipe, sizes)
            drawn = turn((low, high)) if port.name in recipe.tables else _integers(low, high, shape, rng)
            feeds[port.name] = np.asarray(drawn).astype(dtype)
    return feeds


def _in_turn(
    bounds: tuple[int, int], shape: Sequence[int], start: int, deck: Sequence[int], rng: np.random.Generator
) -> Array:
    return dealt(bounds, math.prod(shape), start, deck, rng).reshape(shape)


def _switched(number: int, k: int, rng: np.random.Generator) -> bool:
    """What a switch is in a sample: both ways, not by chance, as long as there are few."""
    if number >= len(_SWITCHES):
        return bool(rng.integers(0, 2))
    return _SWITCHES[number][k % len(_SWITCHES[number])]


def _floats(distribution: Distribution, shape: Sequence[int], rng: np.random.Generator) -> Array:
    if distribution == "normal":
        return np.asarray(rng.standard_normal(shape, np.float32))
    if distribution == "uniform":
        return np.asarray(rng.random(shape, np.float32))
    if distribution == "integers":
        return np.asarray(rng.integers(-_WHOLE, _WHOLE, shape, endpoint=True)).astype(np.float32)
    return np.full(shape, 1.0 if distribution == "ones" else 0.0, np.float32)


def _within(
    bounds: Range,
    shape: Sequence[int],
    dtype: np.dtype[Any],
    rng: np.random.Generator,
    turn: Callable[[tuple[int, int]], Array],
) -> Array:
    """Floats between the bounds, integers from the one to the other; what the type does not hold is refused."""
    if "float" in dtype.name:
        info = ml_dtypes.finfo(dtype)  # type: ignore[no-untyped-call]
        if not float(info.min) <= bounds.low <= bounds.high <= float(info.max):
            raise _beyond(bounds, dtype)
        share = rng.random(shape)
        return np.asarray(float(bounds.low) * (1 - share) + float(bounds.high) * share).astype(
            dtype
        )  # no width: it may overflow
    whole = (0, 1) if dtype.kind == "b" else (int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))
    if not (float(bounds.low).is_integer() and float(bounds.high).is_integer()):
        problem = f"--range {bounds} is for an input of {dtype.name}, and not whole"
        raise UsageError(problem, hint="Give whole numbers, as ids:0..511.")
    low, high = int(bounds.low), int(bounds.high)
    if not whole[0] <= low <= high <= whole[1]:
        raise _beyond(bounds, dtype)
    return np.asarray(turn((low, high))).astype(dtype)


def _integers(low: int, high: int, shape: Sequence[int], rng: np.random.Generator) -> Array:
    wide = np.uint64 if high > _INT64_MAX else np.int64
    return np.asarray(rng.integers(low, high, shape, wide, endpoint=True))


def _beyond(bounds: Range, dtype: np.dtype[Any]) -> UsageError:
    problem = f"--range {bounds} holds no values of {dtype.name}, or some that it does not have"
    return UsageError(problem, hint="Give bounds that the type of the input has, whole ones for integers.")


def _integer_bounds(port: Port, dtype: np.dtype[Any], recipe: Recipe, sizes: Sizes) -> tuple[int, int]:
    """The least and the greatest value of an integer input."""
    first, info = recipe.limit == _INTEGER_LIMITS[0], np.iinfo(dtype)
    if port.name in recipe.tables:
        low, high = (min(max(bound, int(info.min)), int(info.max)) for bound in recipe.tables[port.name])
        return (low, high) if first else _narrowed(low, high, recipe.limit)
    if port.name in recipe.masks or port.name in recipe.called_masks:
        return 0, min(1, recipe.limit - 1)
    if port.name in recipe.lengths:
        longest = recipe.lengths[port.name]
        return 1, max(sizes.get(longest, 1) if isinstance(longest, str) else longest, 1)
    if dtype.itemsize == 1 and first:
        return int(info.min), int(info.max)  # quantised values, no indices
    return 0, recipe.limit - 1


def _narrowed(low: int, high: int, limit: int) -> tuple[int, int]:
    """From 0 up to below a limit, as far as that lies between the bounds."""
    low = min(max(low, 0), high)
    return low, min(high, max(low, limit - 1))


def guesses(ports: Sequence[Port], recipe: Recipe) -> tuple[str, ...]:
    """A sentence for each integer input of which nothing but a guess says what it may be."""
    said: list[str] = []
    for port in ports:
        dtype = np.dtype(port.dtype or "float32")
        if dtype.kind not in "iu" or port.name in {*recipe.ranges, *recipe.masks, *recipe.lengths}:
            continue
        low, high = _integer_bounds(port, dtype, recipe, {})
        first, other = recipe.limit == _INTEGER_LIMITS[0], f"--range {port.name}:LO..HI gives another range"
        if port.name in recipe.called_masks:
            said.append(f"input {port.name!r} is drawn from {low}..{high}, as a mask, because of its name; {other}")
        elif not (first and (port.name in recipe.tables or dtype.itemsize == 1)):
            said.append(f"input {port.name!r} is drawn from {low}..{high}; {other}")
    return tuple(said)


def _dim_name(port: Port, axis: int, dim: str | None) -> str:
    return f"{port.name}[{axis}]" if dim is None or dim in PLACEHOLDERS else dim
